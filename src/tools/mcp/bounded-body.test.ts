import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../../limits.ts";
import { boundedBody } from "./bounded-body.ts";

const streamOf = (chunks: Uint8Array[]): ReadableStream<Uint8Array> => ReadableStream.from(chunks);

async function read(chunks: Uint8Array[], isStream: boolean): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of boundedBody(streamOf(chunks), isStream))
    text += decoder.decode(chunk, { stream: true });
  return text;
}

test("a stream of events comes with one kind of line end, wherever it is cut", async () => {
  const piece = fc.constantFrom("\r", "\n", "\r\n", "data: a", "é", "");
  await fc.assert(
    fc.asyncProperty(fc.array(piece), fc.integer({ min: 1, max: 5 }), async (pieces, size) => {
      const text = pieces.join("");
      const bytes = Buffer.from(text);
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      assert.equal(await read(chunks, true), text.replace(/\r\n?/g, "\n"));
      assert.equal(await read(chunks, false), text);
    }),
  );
});

test("a message that is too long ends the stream, whatever its lines end with", async () => {
  const half = Buffer.alloc(limits.mcp_message_bytes_max / 2 + 1, "x");
  for (const end of ["\n", "\r\n"]) {
    const lineEnd = Buffer.from(end);
    await assert.rejects(read([half, lineEnd, half], true), /a message of more than 16 MiB/);
    await read([half, lineEnd, lineEnd, half], true);
  }
});

test("a message of too many values ends the stream, and no text counts as values", async () => {
  const most = limits.mcp_message_values_max;
  const parts = (text: string) => text.match(/.{1,65536}/gs)?.map((part) => Buffer.from(part)) ?? [];
  const many = /a message of more than 500000 values/;
  for (const value of ["{},", "[[],", "0,", '"a":0,', '"\\"",', '"\\\\",']) {
    await assert.rejects(read(parts(`[${value.repeat(most)}`), false), many);
    await assert.rejects(read(parts(`: "\ndata: [${value.repeat(most)}`), true), many);
  }
  const text = `{"text":"${'{[,\\"'.repeat(most)}"}`;
  await read(parts(text), false);
  await read(parts(`data: ${text}\n\n`), true);
  const half = `data: [${"0,".repeat(most / 2)}0]\n\n`;
  await read(parts(half.repeat(3)), true);
});
