import { setTimeout as pause } from "node:timers/promises";
import { failpoint } from "../failpoints.ts";
import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";
import { type KeyedRequest, keepAnswer, takeTurn } from "../resources/kept-answers.ts";
import type { Route } from "./route.ts";
import type { Work, Works } from "./work.ts";

/** Why a route's answer is never kept: as the end of "cannot be used here: ". */
export type Unrepeatable =
  | "it answers with a stream"
  | "its answer may be a stream"
  | "it takes an upload"
  | "its answer holds a secret"
  | "it asks servers of others";

/** The key of a POST that has one. Other methods can be repeated as they are, and it means nothing to them. */
export function idempotencyKeyOf(route: Route, headers: Headers): string | null {
  const key = headers.get("idempotency-key");
  if (key === null || route.method !== "POST") return null;
  if (route.unrepeatable) {
    throw invalid(`idempotency-key: cannot be used here: ${route.unrepeatable}; send the request without it`);
  }
  if (key.length < 1 || key.length > limits.idempotency_key_chars_max || !/^[\x20-\x7e]*$/.test(key)) {
    throw invalid(
      `idempotency-key: must be 1 to ${limits.idempotency_key_chars_max} printable ASCII characters`,
    );
  }
  return key;
}

export interface Answered {
  text: string;
  /** An earlier request did what it tells of. */
  replayed: boolean;
}

/**
 * Answers a request as the first one with its key was answered, or is the first. What it does and its answer are
 * committed together. Only success is kept: whatever is refused or fails has changed nothing, and leaves the key free.
 */
export async function answerOnce(
  works: Works,
  request: KeyedRequest,
  answer: (work: Work) => Promise<string>,
): Promise<Answered> {
  const until = Date.now() + limits.idempotency_wait_ms;
  let pause_ms: number = limits.idempotency_pause_first_ms;
  for (;;) {
    const answered = await works.together((work) => tryAnswer(work, request, answer));
    if (answered) return answered;
    if (Date.now() + pause_ms > until) throw stillRunning();
    // Without a connection: those who wait must not keep the one they wait for from its end.
    await pause(pause_ms);
    pause_ms = Math.min(2 * pause_ms, limits.idempotency_pause_longest_ms);
  }
}

/** Null while another request with the key is being answered. */
async function tryAnswer(
  work: Work,
  request: KeyedRequest,
  answer: (work: Work) => Promise<string>,
): Promise<Answered | null> {
  const turn = await takeTurn(work.db, request);
  switch (turn.do) {
    case "repeat":
      return { text: turn.answer, replayed: true };
    case "refuse":
      throw invalid(
        "idempotency-key: was used for another request to this path, with another body; use a new key for each",
      );
    case "wait":
      return null;
    case "answer": {
      const text = await answer(work);
      if (Buffer.byteLength(text) > limits.idempotency_answer_bytes_max) throw tooLong();
      await keepAnswer(work.db, request, turn.bodyHmac, text);
      failpoint("answer_written");
      work.whenCommitted(() => failpoint("answer_committed"));
      return { text, replayed: false };
    }
  }
}

const stillRunning = () =>
  new ApiError("conflict_error", "idempotency-key: the first request with this key still runs; try again", {
    headers: { "retry-after": "1" },
  });

const tooLong = () =>
  invalid(
    `idempotency-key: the answer is larger than the ${limits.idempotency_answer_bytes_max >> 20} MB that are kept; send the request without it`,
  );
