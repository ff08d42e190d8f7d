import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { createUploadRoom } from "./upload-room.ts";

const file = (...chunks: string[]) => ({
  field: "files[]",
  filename: "a",
  mime_type: "text/plain",
  content: Readable.from(chunks.map((chunk) => Buffer.from(chunk))),
});

test("what is taken leaves room again when it was used, discarded, or broke off", async () => {
  const room = createUploadRoom(10);
  const one = await room.take(file("12345", "6"));
  assert.equal(one.content.toString(), "123456");
  await assert.rejects(room.take(file("1", "2345")), /too much is being uploaded/);
  const other = await room.take(file("1234"));
  await other.discard();
  assert.equal(await room.using([one], async () => "made"), "made");
  const broken = new Readable({
    read() {
      this.push(Buffer.from("1234567890"));
      this.destroy(new Error("cut off"));
    },
  });
  await assert.rejects(room.take({ ...file(), content: broken }), /cut off/);
  assert.equal((await room.take(file("1234567890"))).content.length, 10);
});
