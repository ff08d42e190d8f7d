import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { documentOf, record } from "./features.spec.ts";
import { allWired } from "./wired.spec.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const stale = "is out of date: look at what has changed, then run `npm run docs:models`";

describe("what is known of providers", () => {
  const recorded = new Map<string, Record<string, string>>();

  for (const wired of allWired) {
    test(`the recorded request of ${wired.name}`, async () => {
      const path = `test/golden/models/${wired.name}.json`;
      const { body, features } = await record(wired);
      recorded.set(wired.name, features);
      assert.deepEqual(body, JSON.parse(read(path)), `${path} ${stale}`);
    });
  }

  test("docs/MODELS.md says what was measured", () => {
    const measured = [...recorded].map(([name, features]) => ({ name, features }));
    assert.equal(read("docs/MODELS.md"), documentOf(measured), `docs/MODELS.md ${stale}`);
  });
});
