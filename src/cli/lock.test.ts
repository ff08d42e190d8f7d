import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lockDataDir } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-lock-"));
after(() => rmSync(folder, { recursive: true }));
const lockPath = join(folder, "lock");
/** Holds a descriptor until it is told to end. */
function holder(fd: number) {
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore", fd] });
  after(() => child.kill());
  return { child, end: () => child.stdin?.end() };
}

const unexpected = () => assert.fail("nobody is to be waited for");

test("a living holder is named by its pid, and the lock is free after it", async () => {
  const first = await lockDataDir(folder, { onWait: unexpected });
  await assert.rejects(lockDataDir(folder, { onWait: unexpected }), {
    message: `another drover up (pid ${process.pid}) already runs on ${folder}`,
  });
  first.release();
  const second = await lockDataDir(folder, { onWait: unexpected });
  second.release();
});

test("a pid that is left over locks nothing", async () => {
  writeFileSync(lockPath, `${process.pid}\n`);
  const lock = await lockDataDir(folder, { onWait: unexpected });
  lock.release();
});

test("children of a holder that is gone are waited for", async () => {
  const lock = await lockDataDir(folder, { onWait: unexpected });
  const { child, end } = holder(lock.fd);
  lock.release();
  const former = spawn("true");
  await once(former, "exit");
  writeFileSync(lockPath, `${former.pid}\n`);
  const exited = once(child, "exit");
  const next = await lockDataDir(folder, { onWait: end, wait_ms: 60_000 });
  await exited;
  next.release();
});

test("of children that never end it says so", async () => {
  const lock = await lockDataDir(folder, { onWait: unexpected });
  const { child, end } = holder(lock.fd);
  lock.release();
  writeFileSync(lockPath, "\n");
  await assert.rejects(lockDataDir(folder, { onWait() {}, wait_ms: 0 }), /processes of an earlier drover up/);
  end();
  await once(child, "exit");
});
