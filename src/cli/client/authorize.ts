import type Anthropic from "@anthropic-ai/sdk";
import { authorize, type Consent, type Granted } from "../../authorize/authorize.ts";
import type { Discovered } from "../../authorize/discover.ts";
import { NotAuthorized, shown } from "../../authorize/failed.ts";
import { listenForRedirect, type Redirect } from "../../authorize/redirect.ts";
import { type Form, printLine } from "../print.ts";
import { version } from "../version.ts";
import { openPage } from "./open-page.ts";
import { type ClientOptions, ownClient } from "./own-client.ts";
import { findPlace, storeGranted } from "./store-granted.ts";

export interface AuthorizeOptions extends ClientOptions, Form {
  vault?: string;
  issuer?: string;
  name?: string;
  scope?: string;
  browser: boolean;
  port?: number;
  /** In seconds. */
  wait: number;
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

function serverAt(address: string): URL {
  const server = new URL(address);
  if (server.username !== "" || server.password !== "")
    throw new NotAuthorized("the MCP server's address must not hold a user name or a password");
  server.hash = "";
  return server;
}

/** Resolves with the exit code. What is wrong at Drover's server is thrown. */
export async function authorizeCommand(
  client: Anthropic,
  address: string,
  options: AuthorizeOptions,
): Promise<number> {
  const stop = interruptible();
  let redirect: Redirect | null = null;
  let isGranted = false;
  try {
    const own = ownClient(options, process.env);
    const server = serverAt(address);
    const place = await findPlace(client, server, options.vault ?? null, stop.signal);
    if (own.type !== "client") redirect = await listenForRedirect(options.port ?? 0);
    const consent: Consent =
      own.type === "client"
        ? own
        : { type: "person", client: own, ...browserOf(redirect, options, stop.signal) };
    const granted = await authorize({
      server,
      consent,
      issuer: options.issuer ?? null,
      scope: options.scope ?? null,
      scope_before: place.scope,
      version,
      signal: stop.signal,
      found: (found) => say(toldOf(server, found)),
    });
    isGranted = true;
    // It may be another one by now: somebody had time to give their consent.
    const now = await findPlace(client, server, place.vault_id);
    const stored = await storeGranted(client, now, { server, granted, name: options.name ?? null });
    const line = `credential ${stored.id} in vault ${stored.vault_id} for ${server.href}`;
    printLine(options, stored, line);
    say(lifeOf(granted));
    return 0;
  } catch (error) {
    if (stop.signal.aborted && !isGranted) {
      say("nothing was stored");
      return 130;
    }
    if (!(error instanceof NotAuthorized)) throw error;
    say(error.message);
    return 1;
  } finally {
    stop.end();
    await redirect?.close();
  }
}

function browserOf(redirect: Redirect | null, options: AuthorizeOptions, stopped: AbortSignal) {
  if (!redirect) throw new Error("nobody listens for the browser");
  return {
    redirect_url: redirect.url,
    async ask(page: URL, state: string): Promise<URLSearchParams> {
      const late = AbortSignal.timeout(options.wait * 1_000);
      const comes = redirect.comes(state, AbortSignal.any([stopped, late])).catch((error) => {
        if (late.aborted && !stopped.aborted)
          throw new NotAuthorized(`nobody has come back from the browser in ${options.wait} s`);
        throw error;
      });
      const isOpened = options.browser && openPage(page);
      say(`${isOpened ? "your browser opens" : "open in your browser"}:\n\n  ${page.href}\n`);
      return comes;
    },
  };
}

const toldOf = ({ host }: URL, { issuer, scope }: Discovered): string =>
  `${host} is authorized by ${shown(issuer)}${scope === null ? "" : `, for: ${shown(scope)}`}`;

function lifeOf({ expires_in_s, refresh }: Granted): string {
  if (refresh) return "Drover refreshes it from now on";
  return expires_in_s === null
    ? "there is nothing to refresh it with: authorize again when the server takes it no more"
    : `there is nothing to refresh it with: authorize again within ${Math.max(1, Math.floor(expires_in_s / 60))} min`;
}

/** The first Ctrl-C ends the wait. What has been granted by then is still stored, unless there is a second one. */
function interruptible(): { signal: AbortSignal; end(): void } {
  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  return {
    signal: stop.signal,
    end() {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", onInterrupt);
    },
  };
}
