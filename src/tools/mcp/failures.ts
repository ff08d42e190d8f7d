import { stripVTControlCharacters } from "node:util";
import { limits } from "../../limits.ts";
import { refusalIn } from "../../net/guard.ts";
import { withoutHidden } from "./hidden.ts";
import { BearerUnknown, type Requests, Unauthorized } from "./requests.ts";

/** A server that could not be asked, as the client is told of it. The message holds no secret. */
export interface ServerFailure {
  status: "unreachable" | "unauthorized";
  message: string;
}

export function failureOf(error: unknown, server: { name: string }, requests: Requests): ServerFailure {
  const refusal = error instanceof Unauthorized ? error : requests.refusal();
  return refusal
    ? {
        status: "unauthorized",
        message: `The MCP server "${server.name}" was not entered: ${plain(refusal.message, requests)}.`,
      }
    : {
        status: "unreachable",
        message: `The MCP server "${server.name}" cannot be reached: ${reasonOf(error, requests)}.`,
      };
}

/** Whether a request never left for the server. */
export function neverSent(error: unknown): boolean {
  if (refusalIn(error) !== null || error instanceof Unauthorized || error instanceof BearerUnknown)
    return true;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const errors = cause instanceof AggregateError ? cause.errors : [cause];
    if (errors.length > 0 && errors.every(({ code }) => unconnected.has(code))) return true;
  }
  return false;
}

const unconnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** The innermost cause: what a library puts around it says nothing. */
export function reasonOf(error: unknown, requests: Requests): string {
  const refused = refusalIn(error);
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  if (reason instanceof AggregateError) reason = reason.errors[0];
  // What parsers quote is cut: no piece of a secret would be known for one.
  if (reason instanceof SyntaxError) return "its answer is not valid JSON";
  const text = refused ?? (reason instanceof Error ? reason.message : String(reason));
  return plain(text, requests) || "it does not say why";
}

/**
 * What a server may have had a hand in, as a text that misleads nobody who reads it, without what was sent to it as a secret:
 * that is looked for last, for what is taken out may have stood within it.
 */
export const plain = (text: string, requests: Requests): string =>
  requests
    .redactor()
    .text(withoutHidden(stripVTControlCharacters(text)))
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\.$/, "")
    .slice(0, limits.mcp_error_chars_max)
    .toWellFormed();
