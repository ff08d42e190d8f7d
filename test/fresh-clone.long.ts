import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./harness/free-port.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-clone-"));
chmodSync(folder, 0o711);
// As under /root: PostgreSQL's user and that of serve cannot enter the checkout.
const hidden = join(folder, "hidden");
const clone = join(hidden, "drover");
const dataDir = join(folder, "data");
const started = new Set<ChildProcess>();
after(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const closed = once(child, "close");
    process.kill(-(child.pid ?? 0), "SIGTERM");
    await closed;
  }
  rmSync(folder, { recursive: true, force: true });
});

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
  started.add(child);
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
  const page = () => fetch(`http://127.0.0.1:${env.DROVER_PORT}/console/sessions`);
  const early = await page();
  if (!first.said().includes("the console is ready")) {
    assert.equal(early.status, 503);
    assert.match(await early.text(), /is being built/);
  }
  await first.until("the console is ready");
  const whole = await page();
  assert.equal(whole.status, 200);
  const [script = ""] = /\/console\/assets\/[^"]+\.js/.exec(await whole.text()) ?? [];
  const asset = await fetch(new URL(script, whole.url));
  assert.equal(asset.headers.get("content-encoding"), "gzip");
  assert.match(asset.headers.get("cache-control") ?? "", /immutable/);
  await asset.text();
  assert.equal(starts.filter((each) => each.said().includes("installing npm packages")).length, 1);

  const closed = once(first.child, "close");
  first.child.kill("SIGTERM");
  await closed;
  assert.deepEqual(left(), []);
});

test("Ctrl-C, which npm passes on once more, leaves no process", async () => {
  const again = npm("start");
  await again.until("ready http");
  assert.doesNotMatch(again.said(), /installing|building|being built|turn running/);
  assert.equal((await fetch(`http://127.0.0.1:${env.DROVER_PORT}/console/`)).status, 200);
  const closed = once(again.child, "close");
  process.kill(-(again.child.pid ?? 0), "SIGINT");
  await closed;
  assert.deepEqual(left(), []);
});

interface Chunk {
  file: string;
  css?: string[];
}

/** Whatever is in the place of the built console is all of it. */
function isWhole(): boolean {
  const dist = join(clone, "console/dist");
  if (!existsSync(dist)) return false;
  for (const name of [".made-of", "index.html.br", "index.html.gz"])
    assert.ok(existsSync(join(dist, name)), name);
  const chunks = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;
  for (const { file, css = [] } of Object.values(chunks))
    for (const name of [file, ...css]) assert.ok(existsSync(join(dist, name)), name);
  return true;
}

function build(): ChildProcess {
  return spawn("scripts/console", ["--current"], { cwd: clone, env, detached: true, stdio: "ignore" });
}

test("a build that is killed leaves nothing half, and of two at once both end well", async () => {
  assert.ok(isWhole());
  for (let cut_ms = 100; ; cut_ms *= 1.5) {
    appendFileSync(join(clone, "console/src/style.css"), "\n");
    const child = build();
    const ended = once(child, "close");
    const first = await Promise.race([ended, pause(cut_ms, "cut" as const)]);
    if (first === "cut") {
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await ended;
    }
    isWhole();
    if (first !== "cut") break;
  }
  assert.ok(isWhole());
  appendFileSync(join(clone, "console/src/style.css"), "\n");
  const codes = await Promise.all(
    [build(), build()].map(async (child) => {
      const [code] = (await once(child, "close")) as [number | null];
      return code;
    }),
  );
  assert.deepEqual(codes, [0, 0]);
  assert.ok(isWhole());
});
