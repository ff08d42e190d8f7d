import { limits } from "../../limits.ts";
import { afterReplays, outcomeUnknown } from "../replay.ts";
import { failed } from "../tool.ts";
import { Expired, Lost } from "./connection.ts";
import type { Held } from "./connections.ts";
import { type CallResult, shownResult } from "./content.ts";
import { failureOf, neverSent, plain, reasonOf } from "./failures.ts";
import type { McpCall, McpResult } from "./mcp.ts";

interface Made {
  shown: McpResult;
  /** It was made over a connection on which nobody has asked for the server's tools. */
  unlisted: boolean;
}

/** How an attempt ended that brought no result. */
type Failed =
  /** The server never began it, and may if it is asked again. */
  | { end: "ask_again" }
  /** Nobody knows. */
  | { end: "lost"; reason: string }
  /** The same, and it would not do to ask again at once. */
  | { end: "unanswered"; reason: string }
  | { end: "tell"; result: McpResult };

/**
 * Makes a call until it is known what became of it, or it must not be made again: what the server never began is asked for again
 * a few times, and what it may have begun only where that does no harm. `before`: what has become of it until now.
 */
export async function attempts(
  call: McpCall,
  before: { reason: string; replays: number },
  hold: () => Held,
  signal: AbortSignal,
): Promise<Made> {
  let { reason, replays } = before;
  let asked_again = 0;
  const told = (result: McpResult): Made => ({
    shown: afterReplays(result, { reason, replays }),
    unlisted: false,
  });
  for (;;) {
    const held = hold();
    const attempt = await attempted(call, held, signal);
    if ("answer" in attempt) {
      const shown = held.requests.redactor().within(shownResult(attempt.answer));
      return { ...told(shown), unlisted: held.unlisted };
    }
    switch (attempt.end) {
      case "tell":
        return told(attempt.result);
      case "ask_again":
        asked_again += 1;
        if (asked_again > asked_again_max)
          return told(failed(`The MCP server "${call.server.name}" ends each connection before the call.`));
        break;
      case "unanswered":
        if (call.tool.repeatable) return told(failed(`The call was not answered: ${attempt.reason}`));
        return { shown: outcomeUnknown({ reason: attempt.reason, replays }), unlisted: false };
      case "lost":
        reason = attempt.reason;
        if (!call.tool.repeatable || replays >= limits.tool_replays_max)
          return { shown: outcomeUnknown({ reason, replays }), unlisted: false };
        replays += 1;
    }
  }
}

const asked_again_max = 3;

async function attempted(
  { server, tool, input }: McpCall,
  held: Held,
  signal: AbortSignal,
): Promise<{ answer: CallResult } | Failed> {
  const { requests, isOld } = held;
  let isConnected = false;
  try {
    const connection = await held.connected(signal);
    isConnected = true;
    return { answer: await connection.call(tool.name, input, signal) };
  } catch (error) {
    if (signal.aborted) {
      // What it still says of the call nobody hears.
      if (isConnected) held.drop();
      return { end: "tell", result: failed("The call was interrupted.") };
    }
    if (isAnswer(error)) {
      const text = plain(error.message, requests);
      return { end: "tell", result: failed(`The MCP server "${server.name}" refused the call: ${text}`) };
    }
    held.drop();
    if (error instanceof Expired) return { end: "ask_again" };
    if (!isConnected || neverSent(error)) {
      // One that has rested may be gone at its other end.
      if (isOld && !requests.refusal()) return { end: "ask_again" };
      const failure = { ...failureOf(error, server, requests), url: server.url };
      return { end: "tell", result: { ...failed(failure.message), failure } };
    }
    if (isTimeout(error)) return { end: "unanswered", reason: "the MCP server did not answer in time" };
    if (isHttpAnswer(error)) {
      const reason = reasonOf(error, requests);
      if (!isRefusal(error)) return { end: "unanswered", reason: `the MCP server says instead: ${reason}` };
      const why = `The MCP server "${server.name}" did not carry the call out: ${reason}`;
      return { end: "tell", result: failed(why) };
    }
    const reason = error instanceof Lost ? plain(error.message, requests) : reasonOf(error, requests);
    return { end: "lost", reason };
  } finally {
    held.letGo();
  }
}

/** An error by which the server itself answers. */
const isAnswer = (error: unknown): error is Error => error instanceof Error && error.name === "ProtocolError";
const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;
const isTimeout = (error: unknown) => codeOf(error) === "REQUEST_TIMEOUT";
const isHttpAnswer = (error: unknown) => String(codeOf(error)).startsWith("CLIENT_HTTP_");
/** Any other may have come from what stands in front of the server, after that had begun. */
const isRefusal = (error: unknown) => {
  const { status } = error as { status?: unknown };
  return typeof status === "number" && ((status >= 300 && status < 500) || status === 501);
};
