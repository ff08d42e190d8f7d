import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePort } from "./harness/free-port.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-clone-"));
chmodSync(folder, 0o711);
// As under /root: PostgreSQL's user and that of serve cannot enter the checkout.
const hidden = join(folder, "hidden");
const clone = join(hidden, "drover");
const dataDir = join(folder, "data");
after(() => rmSync(folder, { recursive: true, force: true }));

/** What a login shell would have; not what npm has set for this test run. */
const env = {
  PATH: process.env.PATH?.split(":")
    .filter((entry) => !entry.includes("node_modules"))
    .join(":"),
  HOME: process.env.HOME,
  DROVER_DATA_DIR: dataDir,
  DROVER_PORT: String(await freePort()),
};

function npm(...args: string[]): { child: ChildProcess; said(): string; until(text: string): Promise<void> } {
  const child = spawn("npm", args, { cwd: clone, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  child.setMaxListeners(0);
  let said = "";
  const collect = (chunk: Buffer) => {
    said += chunk;
    child.emit("said");
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  return {
    child,
    said: () => said,
    async until(text) {
      while (!said.includes(text)) {
        assert.equal(child.exitCode, null, `it ended without "${text}":\n${said}`);
        await Promise.race([once(child, "said"), once(child, "close")]);
      }
    },
  };
}

/** Processes that were given the data directory, by argument or environment. */
const left = () =>
  readdirSync("/proc").filter((pid) => {
    try {
      const given = ["cmdline", "environ"].map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8"));
      return given.some((text) => text.includes(dataDir));
    } catch {
      return false;
    }
  });

test("two starts in a fresh clone install once, and one of them plays its session", async () => {
  execFileSync("git", ["clone", "--quiet", join(import.meta.dirname, ".."), clone]);
  chmodSync(hidden, 0o700);
  const starts = [npm("start"), npm("start")];
  const other = await Promise.race(
    starts.map(async (each) => {
      await once(each.child, "close");
      return each;
    }),
  );
  assert.match(other.said(), /another drover up \(pid \d+\) already runs/);
  const [first] = starts.filter((each) => each !== other);
  assert.ok(first);
  await first.until("idle end_turn");
  assert.equal(starts.filter((each) => each.said().includes("installing npm packages")).length, 1);

  const closed = once(first.child, "close");
  first.child.kill("SIGTERM");
  await closed;
  assert.deepEqual(left(), []);
});

test("Ctrl-C, which npm passes on once more, leaves no process", async () => {
  const again = npm("start");
  await again.until("ready http");
  assert.doesNotMatch(again.said(), /installing|turn running/);
  const closed = once(again.child, "close");
  process.kill(-(again.child.pid ?? 0), "SIGINT");
  await closed;
  assert.deepEqual(left(), []);
});
