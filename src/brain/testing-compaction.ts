import assert from "node:assert/strict";
import type { Entry } from "../log/entry.ts";
import { type ModelEvent, type ModelFailure, type ModelRequest, noUsage } from "../models/model.ts";
import { drive } from "./drive.ts";
import { factsOf, message, never, says, type TestSession } from "./testing.ts";

/** A turn for each text; all that the log then says. */
export async function runTurns(session: TestSession, ...texts: string[]): Promise<Entry[]> {
  for (const text of texts) {
    await session.send(message(text));
    const lease = await session.claim();
    assert.equal(await drive(factsOf(session), lease, session.effects(lease), never), "parked");
  }
  return session.entries();
}

/** An answer after which the context, of 200,000 tokens, holds this many. */
export const holding = (tokens: number, [event]: ModelEvent[]): ModelEvent[] =>
  event?.type === "finished" ? [{ ...event, usage: { ...noUsage, input_tokens: tokens } }] : [];

export const notes = says("NOTES");

export const isSummary = (request: ModelRequest) => request.purpose === "summary";

/** Roles and blocks, and how each text begins. */
export const shape = (request: ModelRequest | undefined) =>
  request?.messages.map(({ role, content }) => [
    role,
    ...content.map((block) => (block.type === "text" ? block.text.slice(0, 30) : block.type)),
  ]);

export const tooLong: ModelFailure = {
  kind: "too_long",
  message: "too long",
  retryable: false,
  retry_after_ms: null,
};
