import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { provideConsole } from "./console-build.ts";

const root = mkdtempSync(join(tmpdir(), "drover-build-"));
after(() => rmSync(root, { recursive: true, force: true }));

let at = "";
let lines: string[] = [];
const path = (name: string) => join(at, name);
beforeEach(() => {
  at = mkdtempSync(join(root, "one-"));
  lines = [];
});

/** A program in the place of scripts/console, in a folder of its own. */
function scriptOf(text: string): string {
  writeFileSync(path("script"), `#!/bin/sh\ncd ${at}\n${text}\n`);
  chmodSync(path("script"), 0o755);
  return path("script");
}

const provide = (script: string | null) =>
  provideConsole({
    files: { folder: path("served"), build_state: path("state") },
    built: path("dist"),
    script,
    say: (text) => lines.push(text),
    log: () => {},
  });

const built = (text: string) => {
  mkdirSync(path("dist"), { recursive: true });
  writeFileSync(path("dist/index.html"), text);
};
const served = () => readFileSync(path("served/index.html"), "utf8");
const state = () => (existsSync(path("state")) ? readFileSync(path("state"), "utf8") : null);

async function until(what: string, is: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !is(); await pause(10))
    assert.ok(Date.now() < deadline, `${what}: ${lines.join("\n")}`);
}
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};
const waiting =
  "echo 'drover: building the console' >&2; sleep 1000 & echo $! >pid.new; mv pid.new pid; wait";

test("what is missing is built, and then served where serve looks for it", async () => {
  const build = provide(
    scriptOf("echo 'drover: building the console' >&2; mkdir dist; printf new >dist/index.html"),
  );
  assert.equal(state(), "building\n");
  await until("it is built", () => lines.includes("the console is ready"));
  assert.deepEqual([served(), state(), lines.length], ["new", null, 2]);
  await build.stop();
});

test("what is current is served at once, and nothing is said", async () => {
  built("current");
  const build = provide(scriptOf("true"));
  assert.equal(served(), "current");
  await until("it has looked", () => state() === null);
  assert.deepEqual(lines, []);
  await build.stop();
});

test("where nothing is to be built, what is there is taken, and what is gone is not kept", async () => {
  built("packaged");
  await provide(null).stop();
  assert.equal(served(), "packaged");
  await provide(path("no-script")).stop();
  assert.deepEqual([served(), lines.length], ["packaged", 0]);
  rmSync(path("dist"), { recursive: true });
  await provide(null).stop();
  assert.ok(!existsSync(path("served")));
});

test("a failure is said with its reason, and what was there stays", async () => {
  built("before");
  const fails =
    "echo 'drover: building the console' >&2; echo 'drover: npm ci failed, see above' >&2; exit 1";
  const build = provide(scriptOf(fails));
  await until("it has failed", () => lines.length === 2);
  assert.match(
    lines[1] ?? "",
    /could not be built: npm ci failed, see above; the one of before is used, and npm run/,
  );
  assert.deepEqual([served(), state()], ["before", "failed\n"]);
  await build.stop();
  assert.equal(state(), null);
  const without = provideConsole({
    files: { folder: path("other"), build_state: path("state") },
    built: path("nothing"),
    script: scriptOf("exit 3"),
    say: (text) => lines.push(text),
    log: () => {},
  });
  await until("it has failed", () => lines.length === 3);
  assert.match(lines[2] ?? "", /script ended with 3; all else works without it/);
  await without.stop();
});

test("the script sees no key", async () => {
  process.env.DROVER_API_KEY = "drover-key-of-this-test";
  process.env.npm_config_of_this_test = "1";
  try {
    const build = provide(scriptOf("env >environment; echo 'drover: building' >&2"));
    await until("it has ended", () => lines.includes("the console is ready"));
    const environment = readFileSync(path("environment"), "utf8");
    assert.doesNotMatch(environment, /drover-key/);
    assert.match(environment, /npm_config_of_this_test=1/);
    await build.stop();
  } finally {
    delete process.env.DROVER_API_KEY;
    delete process.env.npm_config_of_this_test;
  }
});

test("stopping it ends all that it has started, and says nothing more", async () => {
  const build = provide(scriptOf(waiting));
  await until("it runs", () => existsSync(path("pid")));
  const pid = Number(readFileSync(path("pid"), "utf8"));
  await build.stop();
  await until("it has ended", () => !isAlive(pid));
  assert.deepEqual([state(), lines.length], [null, 1]);
});

test("it ends with whoever started it, if that is killed", async () => {
  const starter = `
    const { provideConsole } = await import(${JSON.stringify(join(import.meta.dirname, "console-build.ts"))});
    provideConsole({ files: { folder: "${path("served")}", build_state: "${path("state")}" }, built: "${path("dist")}",
      script: "${scriptOf(waiting)}", say() {}, log() {} });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", starter], { stdio: "ignore" });
  const exited = once(child, "exit");
  await until("it runs", () => existsSync(path("pid")));
  const pid = Number(readFileSync(path("pid"), "utf8"));
  child.kill("SIGKILL");
  await exited;
  await until("it has ended", () => !isAlive(pid));
});
