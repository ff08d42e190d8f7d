import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keepWorkspaces } from "./workspaces.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-kept-"));
const hosts = ["hands-1", "hands-2"].map((name) => ({ name, sandboxes: join(folder, name) }));
const workspaces = keepWorkspaces({ hosts, file: "words", keptIn: join(folder, "kept") });
after(() => {
  workspaces.close();
  rmSync(folder, { recursive: true });
});

function open(host: string, sandbox: string): string {
  const path = join(folder, host, sandbox, "workspace");
  mkdirSync(path, { recursive: true });
  return join(path, "words");
}

test("what was written in a workspace is known when it is gone, and what is written into it after that", () => {
  const words = open("hands-1", "sbx_a");
  writeFileSync(words, "one\n");
  assert.deepEqual(workspaces.of("sesn_a"), [{ host: "hands-1", generation: 0, lines: ["one"] }]);
  const trash = join(folder, "trash");
  renameSync(join(folder, "hands-1", "sbx_a"), trash);
  appendFileSync(join(trash, "workspace", "words"), "late\n");
  rmSync(trash, { recursive: true });
  writeFileSync(open("hands-2", "sbx_a-1"), "one\ntwo\n");
  writeFileSync(open("hands-2", "sbx_b"), "other\n");
  assert.deepEqual(workspaces.of("sesn_a"), [
    { host: "hands-1", generation: 0, lines: ["one", "late"] },
    { host: "hands-2", generation: 1, lines: ["one", "two"] },
  ]);
});

test("a workspace that was begun anew is another one", () => {
  const words = open("hands-1", "sbx_c");
  writeFileSync(words, "one\n");
  workspaces.of("sesn_c");
  rmSync(words);
  writeFileSync(words, "two\n");
  assert.deepEqual(
    workspaces.of("sesn_c").map(({ lines }) => lines),
    [["one"], ["two"]],
  );
});

test("the oldest is the first, whatever its generation", () => {
  for (const sandbox of ["sbx_d", "sbx_d-2", "sbx_d-1"]) {
    writeFileSync(open("hands-1", sandbox), `${sandbox}\n`);
    // As long as it takes until the clock of the file system has moved on.
    const { birthtimeMs } = statSync(open("hands-1", sandbox));
    for (let other = birthtimeMs; other === birthtimeMs; ) {
      const probe = join(folder, "probe");
      writeFileSync(probe, "");
      other = statSync(probe).birthtimeMs;
      rmSync(probe);
    }
  }
  assert.deepEqual(
    workspaces.of("sesn_d").map(({ generation }) => generation),
    [0, 2, 1],
  );
});
