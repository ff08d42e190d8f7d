import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectHands } from "../one-host.ts";
import { request, shell } from "../testing-host.ts";
import { placesOf } from "./documents.ts";
import { openSharedFolder } from "./shared-folder.ts";
import { type KeptWorkspace, keptWorkspace, session_id } from "./testing.ts";

const program = fileURLToPath(new URL("../testing-hands.ts", import.meta.url));
const kills = 5;

const started: ChildProcess[] = [];
let kept: KeptWorkspace;
before(() => {
  kept = keptWorkspace();
});
after(() => kept.folder.remove());

/** In a process group of its own, with the processes that it starts. */
async function startHost(data_dir: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, data_dir, join(data_dir, "hands.sock"), kept.storagePath], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  started.push(child);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  return child;
}

/** With the processes that it has started, unless it is gone. */
function kill({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
}

const newest = async () => (await placesOf(kept.storage, session_id)).at(-1)?.n ?? 0;

/** Every checkpoint that there is is brought back and compared. */
async function verifyAll(): Promise<void> {
  const places = await placesOf(kept.storage, session_id);
  for (const at of places) {
    const { checkpoint, missing, skipped, path } = await kept.restore(at);
    const what = JSON.stringify({ at, missing });
    assert.deepEqual([checkpoint?.n, skipped], [at.n, 0], what);
    // What was written while it was read is there, and said; nothing is missing in the storage.
    assert.ok(
      missing.every(({ why }) => why.startsWith("it is there")),
      what,
    );
    // Killed within the very first command, there are only the first files of it.
    const files = join(path, "files");
    const names = existsSync(files) ? readdirSync(files) : [];
    assert.deepEqual(
      names.map(Number).toSorted((a, b) => a - b),
      names.map((_, i) => i),
    );
    for (const name of names) assert.match(readFileSync(join(files, name), "utf8"), /^(\d+\n)?$/);
    rmSync(join(path, ".."), { recursive: true });
  }
}

test("a host that is killed at any time while it keeps workspaces leaves whole checkpoints, or none", async () => {
  const data_dir = join(kept.folder.path, "hands");
  mkdirSync(data_dir, { mode: 0o711 });
  const hands = connectHands({ socket_path: join(data_dir, "hands.sock") });
  let version = 0;
  let before = 0;
  try {
    // By chance the host may have kept few so far.
    for (let n = 0; n < kills || before <= kills; n += 1) {
      assert.ok(n < 10 * kills, `${before} checkpoints after ${n} kills`);
      const child = await startHost(data_dir);
      const stop = new AbortController();
      const working = (async () => {
        while (!stop.signal.aborted) {
          version += 1;
          const command = `mkdir -p files; for i in {0..19}; do echo ${version} > files/$i; done`;
          await hands.execute(
            request("kept", shell(command), { epoch: 1, call_id: `c${version}` }),
            stop.signal,
          );
        }
      })();
      // The first one may be under way at any of its instants; the others have known files.
      const enough = before + randomInt(3);
      while ((await newest()) < enough) await delay(1);
      await delay(randomInt(120));
      const exit = once(child, "exit");
      // With its workers at the same instant, or alone: then they end by themselves, in the middle of a checkpoint too.
      if (n % 2 === 0) kill(child);
      else child.kill("SIGKILL");
      await exit;
      stop.abort();
      const next = await startHost(data_dir);
      await working;
      const group = once(next, "exit");
      kill(next);
      await group;
      await verifyAll();
      before = await newest();
    }
  } finally {
    for (const child of started) kill(child);
    hands.close();
  }
  assert.equal(openSharedFolder(kept.storagePath, { known: null, make: false })?.id, kept.storage.id);
});
