import type { FakeReply } from "./upstream.ts";

/** An answer in no vendor's form. Texts, thoughts and arguments come in the pieces in which they are streamed. */
export interface WireAnswer {
  thinking?: { pieces: string[]; sealed: string };
  text?: string[];
  /** Streamed in turns, a piece of each at a time, where the vendor's format allows. */
  calls?: WireCall[];
  stop?: "length" | "refusal";
  usage?: { input: number; cached: number; output: number };
}

export interface WireCall {
  id: string;
  name: string;
  json: string[];
}

export type WireError =
  | "overloaded"
  | "rate_limited"
  | "unavailable"
  | "billing"
  | "authentication"
  | "rejected"
  | "too_long"
  | "not_configured";

/** What an error says; each vendor has words of its own for a conversation that is too long. */
export const wordsOf = (kind: WireError, tooLong: string): string =>
  kind === "too_long" ? tooLong : "as ordered";

/** How a vendor writes its streams. */
export interface Wire {
  /** The whole answer, as one text. */
  answer(answer: WireAnswer): string;
  /** An answer that has begun with this text and goes on. */
  begun(text: string): string;
  /** An error where an answer was expected, with status 200. */
  errorInside(kind: WireError): string;
  error(kind: WireError, headers?: Record<string, string>): FakeReply;
}

export const stopWord = ({ stop }: WireAnswer, length: string, refusal: string): string | undefined =>
  stop && { length, refusal }[stop];

export const usual = { input: 10, cached: 0, output: 5 };

/** One piece of each list after another, until all are used up. */
export function interleaved<T>(lists: T[][]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}

export const jsonReply = (
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): FakeReply => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  chunks: [JSON.stringify(body)],
});

export const statusOf: Record<WireError, number> = {
  overloaded: 503,
  rate_limited: 429,
  unavailable: 500,
  billing: 402,
  authentication: 401,
  rejected: 400,
  too_long: 400,
  not_configured: 404,
};
