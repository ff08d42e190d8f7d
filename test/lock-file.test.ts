import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

interface Entry {
  version?: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const lockFile = readFileSync(join(import.meta.dirname, "../package-lock.json"), "utf8");
const entries = (JSON.parse(lockFile) as { packages: Record<string, Entry> }).packages;

test("the lock file names every optional dependency, or npm ci refuses it", () => {
  const optional = Object.values(entries).flatMap((entry) =>
    Object.entries(entry.optionalDependencies ?? {}),
  );
  assert.ok(optional.length > 0);
  const missing = optional.filter(([name]) => entries[`node_modules/${name}`]?.version === undefined);
  assert.deepEqual(missing, []);
});

test("the lock file holds no registry addresses", () => {
  assert.deepEqual(
    Object.entries(entries).filter(([, entry]) => entry.resolved !== undefined),
    [],
  );
});
