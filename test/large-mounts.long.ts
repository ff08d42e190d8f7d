import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { MountSource } from "../src/hands/bring-mounts.ts";
import { anyChange, connectHost } from "../src/hands/client.ts";
import { fleetOf, noted } from "../src/hands/mounts/testing-mounts.ts";
import { testFolder } from "../src/hands/testing.ts";
import { never, request, shell, textOf } from "../src/hands/testing-host.ts";

const program = fileURLToPath(new URL("../src/hands/testing-hands.ts", import.meta.url));
const mebibyte = 1 << 20;

/** The most memory that a process has ever had, in `bytes`. */
function peakOf(pid: number): number {
  const [, kibibytes = "0"] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return 1024 * Number(kibibytes);
}

/** A content that is never in memory as a whole, at one path for every session. */
function large(path: string, mebibytes: number): { source: MountSource; sha256: string } {
  const blockOf = (n: number) => Buffer.alloc(mebibyte, `block ${n} `);
  const hash = createHash("sha256");
  for (let n = 0; n < mebibytes; n += 1) hash.update(blockOf(n));
  const sha256 = hash.digest("hex");
  const mount = { path, sha256, bytes: mebibytes * mebibyte, executable: false };
  const source: MountSource = {
    listMounts: async () => ({ version: 1, mounts: [mount] }),
    openContent: async (_sha256, { start }) =>
      Readable.from(
        (async function* () {
          for (let n = Math.floor(start / mebibyte); n < mebibytes; n += 1)
            yield blockOf(n).subarray(Math.max(0, start - n * mebibyte));
        })(),
      ),
  };
  return { source, sha256 };
}

test("500 MB come to a host in memory that does not grow with them, while others use it", async (t) => {
  const folder = testFolder();
  const socket_path = join(folder.path, "hands.sock");
  const child = spawn(process.execPath, [program, folder.path, socket_path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { pid = 0 } = child;
  await once(child.stdout, "data");
  const connection = noted(connectHost({ socket_path, ping_ms: 100 }));
  while (!connection.isUp()) await anyChange([connection], 20);
  const path = "/mnt/session/uploads/large";
  const { source, sha256 } = large(path, 500);
  const fleet = fleetOf(connection, source);
  t.after(async () => {
    fleet.close();
    connection.close();
    child.kill();
    await once(child, "exit");
    folder.remove();
  });
  const run = (name: string, mounts: number, command: string) =>
    fleet
      .handsOf({ session_id: `sesn_${name}`, owner: 1, epoch: 1, placement: null })
      .execute(request(name, shell(command), { mounts, timeout_ms: 120_000 }), never);

  await run("other", 0, "true");
  const before = { here: peakOf(process.pid), there: peakOf(pid) };
  let others = 0;
  let isDone = false;
  const coming = run("large", 1, `sha256sum < ${path}`).finally(() => {
    isDone = true;
  });
  for (; !isDone; others += 1) assert.equal(textOf(await run("other", 0, "echo here")), "here\n");
  assert.equal(textOf(await coming), `${sha256}  -\n`);
  assert.equal(connection.asked.filter((type) => type === "put_blob").length, 500);
  assert.ok(others > 20, `${others} commands of others ran meanwhile`);
  const grown = { here: peakOf(process.pid) - before.here, there: peakOf(pid) - before.there };
  const most = 200 * mebibyte;
  assert.ok(grown.here < most && grown.there < most, JSON.stringify(grown));
});
