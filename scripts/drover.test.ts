import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

test("no process that drover starts leaves its memory in a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "drover-launcher-"));
  const socket = join(folder, "e.sock");
  const command = 'ulimit -c unlimited 2>/dev/null; exec "$0" egress --socket "$1"';
  const child = spawn("sh", ["-c", command, join(import.meta.dirname, "drover"), socket], {
    env: { PATH: process.env.PATH, DROVER_DATA_DIR: join(folder, "data"), XDG_RUNTIME_DIR: folder },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  try {
    while (!existsSync(socket) && child.exitCode === null) await sleep(20);
    const limits = readFileSync(`/proc/${child.pid}/limits`, "utf8");
    assert.match(limits, /^Max core file size +0 +0 /m);
  } finally {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
});
