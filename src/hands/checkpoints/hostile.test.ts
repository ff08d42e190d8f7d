import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bubblewrap } from "../drivers/bubblewrap.ts";
import { runIn, type TestFolder, testFolder, testSpec } from "../testing.ts";
import { readCheckpoint } from "./documents.ts";
import { readManifest, restoreCheckpoint } from "./restore.ts";
import { openSharedFolder } from "./shared-folder.ts";
import type { Storage } from "./storage.ts";
import { takeCheckpoint } from "./take.ts";
import { never } from "./testing.ts";

const python = "/usr/bin/python3";
const session_id = "sesn_hostile";
const sandbox_id = "sbx_hostile";
const secret = "a secret of the host";

/** Swaps what a name stands for as fast as it can, for as long as it lives. */
const swapping = (secretPath: string) => `
import os, itertools
os.chdir("/workspace")
os.makedirs("real/inner", exist_ok=True)
open("real/inner/file", "w").write("inside")
def put(make):
    try: os.unlink("next")
    except IsADirectoryError: os.rmdir("next")
    except FileNotFoundError: pass
    make("next")
file = lambda p: open(p, "w").write("x" * 100_000)
kinds = [file, lambda p: os.symlink("${secretPath}", p), os.mkfifo, lambda p: os.symlink("/dev/zero", p)]
print("ready", flush=True)
for n in itertools.count():
    put(kinds[n % len(kinds)])
    os.rename("real", "away")
    os.symlink(os.path.dirname("${secretPath}"), "real")
    os.replace("next", "swapped")
    os.unlink("real")
    os.rename("away", "real")
    with open("growing", "a") as growing: growing.write("grow" * 1000)
    if n % 50 == 0: open("growing", "w")
`;

/** What may lie there in peace, and cannot be kept as it is, or only with care. */
const odd = `
import os, resource, socket
os.chdir("/workspace")
os.chmod("/workspace", 0o700)
names = [b"bad\\xff\\xfe", b"new\\nline", b"\\x1b[31m", b"-rf", b"$(touch hit)", b" ", "ünï".encode()]
for name in names: open(name, "w").write("odd")
os.makedirs("closed"); open("closed/file", "w").write("closed"); os.chmod("closed/file", 0); os.chmod("closed", 0)
open("su", "w").write("#!/bin/sh"); os.chmod("su", 0o6755)
with open("hole", "w") as hole: hole.truncate(resource.getrlimit(resource.RLIMIT_FSIZE)[0])
open("one", "w").write("linked"); os.link("one", "two")
os.mkfifo("pipe"); socket.socket(socket.AF_UNIX).bind("socket")
for _ in range(250): os.mkdir("d" * 200); os.chdir("d" * 200)
`;

let folder: TestFolder;
let storage: Storage;
let restores = 0;
before(() => {
  folder = testFolder();
  mkdirSync(join(folder.path, "hands"), { mode: 0o711 });
  mkdirSync(join(folder.path, "storage"));
  mkdirSync(join(folder.path, "host"));
  writeFileSync(join(folder.path, "host/secret"), secret, { mode: 0o644 });
  const opened = openSharedFolder(join(folder.path, "storage"), { known: null, make: true });
  assert.ok(opened);
  storage = opened;
});
after(() => {
  execFileSync("chmod", ["-R", "u+rwX", folder.path]);
  execFileSync("rm", ["-rf", folder.path]);
});

/** With `bubblewrap`, from which the host takes and to which it gives. */
function workspaceOf(driver: ReturnType<typeof bubblewrap>) {
  const take = () =>
    takeCheckpoint(
      storage,
      {
        ...{ session_id, sandbox_id, after_calls: ["call"], in_use: true, restored: null },
        folders: driver.keptFolders(sandbox_id) ?? assert.fail("there is no workspace"),
        known_path: join(folder.path, "known-files.json"),
      },
      never,
    );
  async function restore() {
    const staging = await driver.stage(`sbx_restored${restores++}`, testSpec);
    const restored = await restoreCheckpoint(
      storage,
      {
        session_id,
        ...{ folders: staging.folders, staging: staging.path },
        known_path: join(folder.path, "other-known-files.json"),
        report_path: join(folder.path, "restored.json"),
      },
      never,
    );
    const workspace = staging.folders.find(({ name }) => name === "workspace") ?? assert.fail();
    return { ...restored, workspace };
  }
  return { take, restore };
}

/** Whether the storage holds that text anywhere. */
const holds = (text: string): boolean => {
  const grep = ["-rlF", "--", text, join(folder.path, "storage/blobs")];
  try {
    execFileSync("grep", grep);
    return true;
  } catch {
    return false;
  }
};

test("nothing of the host gets into a checkpoint, however fast names are made to mean something else", async () => {
  const driver = bubblewrap({ data_dir: join(folder.path, "hands") });
  const sandbox = await driver.provision(sandbox_id, testSpec);
  try {
    const { take, restore } = workspaceOf(driver);
    const swapper = await sandbox.spawn([python, "-c", swapping(join(folder.path, "host/secret"))], {
      control: false,
    });
    await once(swapper.stdout, "data");
    for (let n = 0; n < 100; n += 1) {
      const { checkpoint } = await take();
      const document = checkpoint && (await readCheckpoint(storage, session_id, checkpoint));
      const manifest = document && (await readManifest(storage, document.manifest));
      // A pipe that was taken for a file would be an empty one.
      for (const entry of manifest?.entries ?? [])
        if (entry.path === "workspace/swapped" && entry.type === "file") assert.equal(entry.size, 100_000);
      if (n % 20 > 0) continue;
      assert.ok(!holds(secret));
      const { missing, skipped } = await restore();
      assert.equal(skipped, 0);
      assert.ok(!missing.some(({ why }) => /in the storage/.test(why)), JSON.stringify(missing));
    }
  } finally {
    await sandbox.destroy();
  }
});

test("what lies there to spoil it costs itself alone", async () => {
  const driver = bubblewrap({ data_dir: join(folder.path, "hands") });
  await driver.forget(sandbox_id);
  const sandbox = await driver.provision(sandbox_id, testSpec);
  assert.equal((await runIn(sandbox, [python, "-c", odd])).stderr, "");
  await sandbox.destroy();
  const { take, restore } = workspaceOf(driver);
  await take();
  const { missing, workspace } = await restore();
  const said = missing.map(({ path, why }) => `${path.replace(/(d{200}\/?)+/, "deep")}: ${why}`).sort();
  const closed =
    process.getuid?.() === 0 ? [] : ["/workspace/closed: it was not kept: it cannot be read (EACCES)"];
  assert.deepEqual(
    said.filter((line) => !line.includes("...")),
    [
      ...closed,
      "/workspace/pipe: it was not kept: it is a named pipe",
      "/workspace/socket: it was not kept: it is a socket",
    ],
  );
  assert.ok(missing.some(({ why }) => /too deep/.test(why)));
  const names = "cat -- bad* new* $'\\e[31m' -rf '$(touch hit)' ' ' ün* one two";
  const found = execFileSync("bash", ["-c", names], { cwd: workspace.path }).toString();
  assert.equal(found, `${"odd".repeat(7)}linkedlinked`);
  assert.ok(!existsSync(join(workspace.path, "hit")));
  const { mode, uid } = statSync(join(workspace.path, "su"));
  assert.equal(mode & 0o7777, 0o755);
  if (workspace.owner) assert.equal(uid, workspace.owner.uid);
  const hole = statSync(join(workspace.path, "hole"));
  assert.deepEqual([hole.size, hole.blocks * 512 < 1 << 20], [testSpec.limits.file_bytes, true]);
});
