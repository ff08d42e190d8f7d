import type { FetchLike } from "@modelcontextprotocol/client";
import { limits } from "../limits.ts";
import { boundedBody } from "../tools/mcp/bounded-body.ts";
import { NotAuthorized } from "./failed.ts";

/**
 * The requests of an authorization. They leave from the machine that it runs on, straight to where the MCP server and its
 * authorization server say, bounded in time and size, and are redirected by nobody here. Nothing goes over http but to the host
 * that the person has named so; where that one is this machine, to all of it.
 */
export function createAsk(server: URL, signal: AbortSignal): FetchLike {
  return async (address, init) => {
    const url = new URL(address);
    requireSafe(url, server);
    const until = [signal, AbortSignal.timeout(limits.authorize_request_ms)];
    if (init?.signal) until.push(init.signal);
    const response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.any(until) });
    const { status, headers, body } = response;
    const isStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    return new Response(body && boundedBody(body, isStream), { status, headers });
  };
}

/** What is opened in a browser, too. A server elsewhere has no say in what is sent to the programs of this machine. */
export function requireSafe(url: URL, server: URL): void {
  if (url.username !== "" || url.password !== "")
    throw new NotAuthorized(`the address of something at ${url.host} holds a user name or a password`);
  if (url.protocol === "https:") return;
  const isNamed = server.protocol === "http:" && url.host === server.host;
  if (url.protocol === "http:" && (isNamed || (isLoopback(url) && isLoopback(server)))) return;
  throw new NotAuthorized(`${url.href.slice(0, 200)} is not an https URL: nothing is sent there`);
}

const isLoopback = ({ hostname }: URL): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname) || hostname.endsWith(".localhost");
