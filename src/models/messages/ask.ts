import type { ApiError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import type { Candidate, ModelFailure, ModelRequest, RelayedRequest } from "../model.ts";
import { downKinds, noTurn } from "../served.ts";
import { apiErrorOf, endedBy } from "./errors.ts";
import type { Used } from "./meter.ts";
import { relayed } from "./relayed.ts";
import { translated } from "./translated.ts";

/** A request for a message, or for the count of its tokens. */
export interface AskedMessage extends RelayedRequest {
  /** The same in our own form; null where whoever may be asked speaks the Messages API. */
  request: ModelRequest | null;
}

/** An answer that begins, or why none does. */
export type Begun = { response: Response } | { failure: ModelFailure; error: ApiError };

/** Called once, when the answer has ended, whole or not; not where there is none. */
export type OnUsed = (used: Used) => void;

/** The same, with who has answered in place of the one that was to be asked first, if somebody has. */
export type OnAnswered = (used: Used, steppedIn: string | null) => void;

/**
 * Asks one candidate after another until an answer begins, which then stands. Throws what the last one said, or the
 * first one that another could not do better.
 */
export async function askForMessage(
  candidates: readonly Candidate[],
  asked: AskedMessage,
  signal: AbortSignal,
  onAnswered: OnAnswered,
): Promise<Response> {
  for (const [i, candidate] of candidates.entries()) {
    const isLast = i === candidates.length - 1;
    if (!isLast && candidate.gate.pausedFor() > 0) continue;
    const steppedIn = i > 0 ? `${candidate.provider}/${candidate.modelId}` : null;
    const begun = await begin(candidate, asked, signal, (used) => onAnswered(used, steppedIn));
    if ("response" in begun) return begun.response;
    if (signal.aborted) throw endedBy(signal);
    if (isLast || !downKinds.includes(begun.failure.kind)) throw begun.error;
  }
  throw new Error("nobody was there to be asked");
}

/** The candidate's place is kept until its answer has ended. */
async function begin(
  candidate: Candidate,
  asked: AskedMessage,
  signal: AbortSignal,
  onUsed: OnUsed,
): Promise<Begun> {
  const { provider, gate } = candidate;
  const entry = await gate.enter(signal);
  if (!entry.entered) {
    const failure = noTurn(provider, entry.retry_after_ms);
    return { failure, error: apiErrorOf(failure) };
  }
  let inside = true;
  const leave = () => {
    if (inside) entry.leave();
    inside = false;
  };
  let begun: Begun | null = null;
  try {
    begun = await answerOf(candidate, asked, signal, (used) => {
      leave();
      onUsed(used);
    });
  } finally {
    if (begun === null || "failure" in begun) leave();
  }
  if ("failure" in begun && begun.failure.kind === "rate_limited")
    gate.pause(begun.failure.retry_after_ms ?? 0);
  return begun;
}

function answerOf(
  { provider, modelId, model, relay }: Candidate,
  { path, headers, body, request }: AskedMessage,
  signal: AbortSignal,
  onUsed: OnUsed,
): Promise<Begun> {
  if (relay)
    return relayed(provider, relay, { path, headers, body: { ...body, model: modelId } }, signal, onUsed);
  if (!request) throw new Error(`a request for ${provider} was not translated`);
  const wanted = { id: newId("message"), model: body.model, stream: body.stream ?? false };
  return translated(model, { ...request, model: modelId }, wanted, signal, onUsed);
}
