import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createHashes } from "./hashes.ts";

const hashOf = (n: number) => createHash("sha256").update(String(n)).digest("hex");

test("a set of hashes has all that were put into it, and no other", () => {
  const hashes = createHashes();
  for (let n = 0; n < 20_000; n += 1) hashes.add(hashOf(n));
  for (let n = 0; n < 20_000; n += 1) {
    hashes.add(hashOf(n));
    assert.ok(hashes.has(hashOf(n)));
    assert.ok(!hashes.has(hashOf(20_000 + n)));
  }
  assert.equal(hashes.count(), 20_000);
  assert.ok(!hashes.has("0".repeat(64)));
  hashes.add("0".repeat(64));
  assert.ok(hashes.has("0".repeat(64)));
});
