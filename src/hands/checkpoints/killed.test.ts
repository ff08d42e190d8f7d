import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { sandboxFolders } from "../drivers/sandbox-folders.ts";
import { restoreCheckpoint } from "./restore.ts";
import {
  checkpointsOf,
  type KeptWorkspace,
  keptWorkspace,
  never,
  sandbox_id,
  session_id,
} from "./testing.ts";
import { livesPast } from "./testing-dying.ts";

const made: KeptWorkspace[] = [];
after(() => {
  for (const { folder } of made) folder.remove();
});

function workspace(): KeptWorkspace {
  const kept = keptWorkspace();
  made.push(kept);
  mkdirSync(join(kept.path, "folder"));
  writeFileSync(join(kept.path, "folder/first"), "first");
  writeFileSync(join(kept.path, "large"), Buffer.alloc(2 << 20, "x"));
  symlinkSync("large", join(kept.path, "link"));
  return kept;
}

const contents = (path: string) =>
  execFileSync("bash", ["-c", "find . -mindepth 1 | sort; cat $(find . -type f | sort) | sha256sum"], {
    cwd: path,
  }).toString();

test("killed anywhere while a workspace is kept: the checkpoint is there whole, or not at all", async () => {
  const kept = workspace();
  let wholes = 0;
  for (let count = 1; ; count += 1) {
    writeFileSync(join(kept.path, "changed"), `version ${count}`);
    const before = await kept.restore();
    const lived = await livesPast(count, () => kept.take());
    const restored = await kept.restore();
    assert.equal(restored.missing_count, 0);
    const isNew = restored.checkpoint?.n !== before.checkpoint?.n;
    if (restored.checkpoint) {
      assert.equal(contents(restored.path), contents(isNew ? kept.path : before.path));
    }
    for (const { path } of [before, restored]) rmSync(path, { recursive: true });
    if (isNew) wholes += 1;
    if (lived) break;
    assert.ok(count < 200);
  }
  assert.ok(wholes > 1, "killed after the document was there, too");
  assert.equal((await checkpointsOf(kept.storage, session_id)).length, wholes);
  assert.ok((await kept.take()).checkpoint);
  assert.equal(contents((await kept.restore()).path), contents(kept.path));
});

test("killed anywhere while a workspace is brought back: there is all of it, or no workspace", async () => {
  const kept = workspace();
  await kept.take();
  const root = kept.folder.path;
  const report_path = join(root, "restored.json");

  async function bringBack(): Promise<void> {
    const staging = await sandboxFolders(join(root, "hands"), null).stage(sandbox_id, null);
    const folders = [
      { name: "workspace", inside: "/workspace", path: staging.folder.workspace, owner: null },
    ];
    const known_path = join(root, "known-files.json");
    await restoreCheckpoint(
      kept.storage,
      { session_id, folders, staging: staging.path, known_path, report_path },
      never,
    );
    staging.commit();
  }

  let wholes = 0;
  for (let count = 1; ; count += 1) {
    const lived = await livesPast(count, bringBack);
    // As the next process finds it.
    const found = sandboxFolders(join(root, "hands"), null).find(sandbox_id);
    if (found) {
      wholes += 1;
      assert.equal(contents(found.workspace), contents(kept.path));
      assert.ok(existsSync(report_path), "what is missing can still be told");
      rmSync(join(root, "hands"), { recursive: true });
    }
    if (lived) break;
    assert.ok(count < 200);
  }
  assert.equal(wholes, 1);
});
