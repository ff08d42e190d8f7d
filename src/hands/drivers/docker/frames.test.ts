import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { splitFrames } from "./frames.ts";

const frame = (kind: number, content: string) => {
  const header = Buffer.alloc(8);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([header, Buffer.from(content)]);
};

test("the outputs of a container are told apart, in whatever pieces they come", async () => {
  const bytes = Buffer.concat([frame(1, "out "), frame(2, "err"), frame(1, ""), frame(1, "more")]);
  for (const size of [1, 3, 8, 11, bytes.length]) {
    const source = new PassThrough();
    const { stdout, stderr } = splitFrames(source);
    for (let at = 0; at < bytes.length; at += size) source.write(bytes.subarray(at, at + size));
    source.end();
    assert.deepEqual(await Promise.all([text(stdout), text(stderr)]), ["out more", "err"]);
  }
});
