import assert from "node:assert/strict";

/** A request as its provider caches it: what stands before the conversation, and the conversation piece by piece. */
export interface Cacheable {
  head: string;
  pieces: string[];
}

type Json = Record<string, unknown>;

const conversations = ["messages", "input", "contents"];

/** From a body in any vendor's form. The text of a message is a piece, whether it stands alone or among others. */
export function cacheableOf(body: unknown): Cacheable {
  const all = JSON.parse(JSON.stringify(body), (key, value) => (key === "cache_control" ? undefined : value));
  const name = conversations.find((candidate) => candidate in all) ?? assert.fail("no conversation");
  const { [name]: messages, ...head } = all as Json;
  return { head: JSON.stringify(head), pieces: (messages as Json[]).flatMap(piecesOf) };
}

function piecesOf({ content, parts, ...rest }: Json): string[] {
  const about = JSON.stringify(rest);
  const inner = content ?? parts;
  if (inner === undefined || inner === null) return [about];
  const list = Array.isArray(inner) ? inner : [{ type: "text", text: inner }];
  return list.map((part) => `${about} ${JSON.stringify(part)}`);
}

/** What the newer one repeats of the older one's conversation, in pieces. */
export const repeated = (older: Cacheable, newer: Cacheable): number => {
  const differs = older.pieces.findIndex((piece, i) => piece !== newer.pieces[i]);
  return differs === -1 ? older.pieces.length : differs;
};

/** Each of a session's requests holds all of the one before it. */
export function assertExtends(bodies: readonly unknown[]): void {
  const requests = bodies.map(cacheableOf);
  for (const [i, newer] of requests.entries()) {
    const older = requests[i - 1];
    if (!older) continue;
    assert.equal(newer.head, older.head, `request ${i + 1} has another beginning`);
    const differs = repeated(older, newer);
    assert.deepEqual(
      newer.pieces.slice(differs, older.pieces.length),
      older.pieces.slice(differs),
      `request ${i + 1} changed its past`,
    );
  }
}
