import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { limits } from "../limits.ts";
import { readSlowly } from "./read-slowly.ts";

test("a program that floods its output is heard a part at a time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const chunk = Buffer.alloc(64 << 10);
  const flood = new Readable({
    read() {
      this.push(chunk);
    },
  });
  let heard = 0;
  readSlowly(flood, ({ length }) => {
    heard += length;
  });
  const rounds = async () => {
    for (let n = 0; n < 200; n++) await new Promise(setImmediate);
  };
  await rounds();
  assert.equal(heard, limits.setup_output_bytes_at_once);
  t.mock.timers.tick(limits.setup_output_pause_ms);
  await rounds();
  assert.equal(heard, 2 * limits.setup_output_bytes_at_once);
  flood.destroy();
});
