import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keepHeadAndTail } from "./head-and-tail.ts";

test("keeps the first and the last half, however the stream is cut", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 100 }), (parts, bytesMax) => {
      const kept = keepHeadAndTail(bytesMax);
      for (const part of parts) kept.write(Buffer.from(part));
      const all = Buffer.concat(parts);
      const head = Math.floor(bytesMax / 2);
      const whole = all.length <= bytesMax;
      const expected = whole
        ? all
        : Buffer.concat([all.subarray(0, head), all.subarray(all.length - (bytesMax - head))]);
      assert.deepEqual(kept.kept(), { bytes: expected, omitted_bytes: all.length - expected.length });
    }),
  );
});
