import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createPieces } from "./pieces.ts";

const seed = Number(process.env.DROVER_TEST_SEED ?? 1);

test("pieces are together what each was, and change nobody's", () => {
  const piece = fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.constant(null)), { maxLength: 40 }), (steps) => {
      const pieces = createPieces();
      const came: Buffer[] = [];
      const taken: [Buffer, Buffer][] = [];
      for (const step of steps) {
        if (step === null) taken.push([pieces.take(), Buffer.concat(came.splice(0))]);
        else {
          pieces.add(step);
          came.push(Buffer.from(step));
        }
        assert.equal(
          pieces.bytes,
          came.reduce((sum, { length }) => sum + length, 0),
        );
      }
      for (const [got, wanted] of taken) assert.deepEqual(got, wanted);
    }),
    { seed },
  );
});
