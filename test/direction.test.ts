import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

/** From left to right; a folder may import from itself and from those left of it. Equals may not import each other. */
const ranks: Record<string, number> = {
  limits: -2,
  "limits.ts": -1,
  "failpoints.ts": -1,
  protocol: 0,
  config: 1,
  net: 1,
  "config.ts": 2,
  db: 2,
  models: 2,
  hands: 2,
  vault: 2,
  files: 3,
  skills: 3,
  log: 3,
  tools: 3,
  egress: 3,
  authorize: 4,
  repositories: 4,
  resources: 4,
  brain: 5,
  outputs: 5,
  worker: 5,
  api: 6,
  backup: 6,
  jobs: 6,
  metrics: 6,
  "server.ts": 7,
  cli: 8,
  "main.ts": 9,
};

const root = join(import.meta.dirname, "../src");
const partOf = (file: string) => relative(root, file).split("/")[0] ?? "";

test("imports point one way", () => {
  const wrong: string[] = [];
  const files = globSync("**/*.ts", { cwd: root }).filter(
    (file) => !/\.test\.ts$|\.spec\.ts$|testing\.ts$/.test(file),
  );
  assert.ok(files.length > 30);
  for (const file of files) {
    const from = partOf(join(root, file));
    assert.ok(from in ranks, `src/${from} has no place in the order of parts: give it one in this test`);
    for (const [, path] of readFileSync(join(root, file), "utf8").matchAll(
      /(?:from |import\()"(\.[^"]+\.ts)"/g,
    )) {
      const to = partOf(join(root, dirname(file), path ?? ""));
      if (to !== from && (ranks[to] ?? 99) >= (ranks[from] ?? 0))
        wrong.push(`src/${file} imports from ${to}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** What the server and its clients both need, and nothing that reaches around the API. */
const ofClients =
  /^(cli\/|protocol\/|limits\.ts|authorize\/|skills\/front-matter\.ts|tools\/mcp\/challenge\.ts)/;

test("commands that ask a server use its public API alone", () => {
  const wrong: string[] = [];
  for (const file of globSync("cli/client/*.ts", { cwd: root }))
    for (const [, path] of readFileSync(join(root, file), "utf8").matchAll(
      /(?:from |import\()"(\.[^"]+\.ts)"/g,
    )) {
      const to = relative(root, join(root, dirname(file), path ?? ""));
      if (!ofClients.test(to)) wrong.push(`src/${file} imports src/${to}`);
    }
  assert.deepEqual(wrong, []);
});
