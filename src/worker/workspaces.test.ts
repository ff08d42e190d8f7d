import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openWorkspaces } from "./workspaces.ts";

const root = mkdtempSync(join(tmpdir(), "drover-workspaces-"));
after(() => rmSync(root, { recursive: true }));

test("whatever the server calls a session, no file but those of sessions is written", async () => {
  const folder = join(root, "sessions");
  const removed: string[] = [];
  const workspaces = openWorkspaces(folder, {
    isOver: async () => true,
    remove: async (id) => void removed.push(id),
  });
  for (const id of ["", ".", "../escaped", "/tmp/escaped", "sesn_a/../../escaped", "sesn_a\0"])
    assert.throws(() => workspaces.enter(id), /must be an id/, id);
  assert.ok(!existsSync(join(root, "escaped")));
  workspaces.enter("sesn_a");
  assert.deepEqual(readdirSync(folder), ["sesn_a"]);
  workspaces.leave("sesn_a");
  await workspaces.sweep();
  assert.deepEqual([removed, readdirSync(folder)], [["sesn_a"], []]);
});
