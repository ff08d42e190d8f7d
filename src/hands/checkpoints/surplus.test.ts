import assert from "node:assert/strict";
import { test } from "node:test";
import { surplus } from "./surplus.ts";

test("of many checkpoints the newest stay, the first, and ever fewer of those that are long ago", () => {
  let kept: number[] = [];
  for (let n = 1; n <= 5_000; n += 1) {
    kept.push(n);
    const gone = surplus(kept, 50);
    kept = kept.filter((each) => !gone.includes(each));
    assert.equal(kept.length, Math.min(n, 50));
    assert.equal(kept[0], 1);
    assert.deepEqual(
      kept.slice(-25),
      Array.from({ length: Math.min(n, 25) }, (_, i) => Math.max(0, n - 25) + i + 1),
    );
    for (const [i, each] of kept.entries()) {
      const stretch = (kept[i + 1] ?? each + 1) - each;
      assert.ok(
        stretch <= 1 || stretch <= (n - each) / 2,
        `after ${each} of ${n} nothing is left for ${stretch}`,
      );
    }
  }
});
