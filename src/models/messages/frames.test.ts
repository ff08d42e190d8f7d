import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dataIn, wholeFrames } from "./frames.ts";

const text = 'event: a\ndata: {"text":"é👋"}\n\ndata:{"b":1}\n\n: only a comment\n\n';

async function collect(chunks: Uint8Array[]): Promise<string[]> {
  async function* arriving() {
    yield* chunks;
  }
  const frames: string[] = [];
  for await (const piece of wholeFrames(arriving())) frames.push(piece);
  return frames;
}

const cut = (bytes: Uint8Array, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));

describe("frames are whole, in whatever pieces they come", () => {
  for (const [name, sent] of [
    ["with LF", text],
    ["with CRLF", text.replaceAll("\n", "\r\n")],
  ] as const) {
    const bytes = Buffer.from(sent);
    for (let size = 1; size <= bytes.length; size += 1)
      test(`${name}, ${size} bytes at a time`, async () => {
        const pieces = await collect(cut(bytes, size));
        assert.equal(pieces.join(""), sent);
        for (const piece of pieces) assert.match(piece, /\n\r?\n$/);
        if (size === 1) assert.equal(pieces.length, 3);
      });
    test(`${name}, but for the last one`, async () => {
      const pieces = await collect(cut(bytes.subarray(0, -1), 5));
      assert.equal(pieces.join(""), sent.slice(0, sent.indexOf(":", sent.indexOf('"b"') + 4)));
    });
  }

  test("and their data is what follows the colon", () => {
    assert.deepEqual(
      dataIn(text).map((json) => JSON.parse(json)),
      [{ text: "é👋" }, { b: 1 }],
    );
  });
});
