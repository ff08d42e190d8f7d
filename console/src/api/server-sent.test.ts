import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, framesOf } from "./server-sent.ts";

/** Of one piece, each byte comes by itself. */
async function frames(...pieces: string[]): Promise<Frame[]> {
  const cuts = pieces.map((piece) => Buffer.from(piece));
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const cut of cuts.length > 1 ? cuts : [...(cuts[0] ?? [])].map((byte) => Buffer.of(byte)))
        controller.enqueue(cut);
      controller.close();
    },
  });
  const all: Frame[] = [];
  for await (const frame of framesOf(body)) all.push(frame);
  return all;
}

test("frames are read however their bytes are cut", async () => {
  const text =
    'id: 7\nevent: agent.message\ndata: {"a":"ä€"}\n\n: a comment\n\nevent: ping\ndata: 1\ndata:2\n\n';
  assert.deepEqual(await frames(text), [
    { id: "7", event: "agent.message", data: '{"a":"ä€"}' },
    { id: null, event: "ping", data: "1\n2" },
  ]);
});

test("a frame that was cut off is none", async () => {
  assert.deepEqual(await frames("data: whole\n\n", "data: half"), [
    { id: null, event: "message", data: "whole" },
  ]);
});
