import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { type SuperviseTimes, supervise } from "./supervise.ts";

const times: SuperviseTimes = {
  restart_first_ms: 1,
  restart_longest_ms: 4,
  steady_ms: 60_000,
  stop_ms: 60_000,
};

function child(script: string, changed: Partial<SuperviseTimes> = {}) {
  const lines = new EventEmitter<{ said: [string]; logged: [string, string] }>();
  const said: string[] = [];
  const part = supervise(
    { name: "part", command: "/bin/sh", args: ["-c", script], env: { PATH: process.env.PATH } },
    {
      say(text) {
        said.push(text);
        lines.emit("said", text);
      },
      log: (name, line) => lines.emit("logged", name, line),
    },
    { ...times, ...changed },
  );
  return { ...part, lines, said };
}

const untilStdinEnds = "cat > /dev/null";
const ready = `echo '{"ready":{"port":1}}' >&3`;

test("a child that dies is started again, with a line for each", async () => {
  const part = child(`${ready}; ${untilStdinEnds}`);
  assert.deepEqual(await part.ready, { port: 1 });
  const back = once(part.lines, "said").then(() => once(part.lines, "said"));
  process.kill(part.pid() ?? 0, "SIGKILL");
  await back;
  assert.deepEqual(part.said, ["part: was killed by SIGKILL; starting it again", "part is back"]);
  await part.stop();
  assert.equal(part.pid(), undefined);
});

test("a child in a crash loop is started ever more rarely", async () => {
  const part = child(`${ready}; exit 7`, { restart_first_ms: 400, restart_longest_ms: 1_000 });
  await part.ready;
  while (part.said.filter((line) => line.startsWith("part: ")).length < 2) await once(part.lines, "said");
  await part.stop();
  assert.deepEqual(
    part.said.filter((line) => line.startsWith("part: ")),
    ["part: ended with 7; starting it again", "part: ended with 7; starting it again in 1 s"],
  );
});

test("a child that cannot do its work says why, and is not started again", async () => {
  const part = child(`echo '{"failed":"the port is in use"}' >&3; exit 1`);
  await assert.rejects(part.ready, { message: "part: the port is in use" });
  await part.stop();
  assert.deepEqual(part.said, []);
});

test("a program that is missing is named", async () => {
  const part = supervise(
    { name: "part", command: "/nonexistent/program", args: [], env: {} },
    { say() {}, log() {} },
  );
  await assert.rejects(part.ready, /part: spawn \/nonexistent\/program ENOENT/);
});

test("a child that ignores the end of its stdin is killed", async () => {
  const part = child(`${ready}; exec sleep 600`, { stop_ms: 1 });
  await part.ready;
  await part.stop();
  assert.deepEqual(part.said, ["part did not stop within 0.001 s and is killed"]);
});

test("a child gets the environment of its specification, and nothing else", async () => {
  const part = child(`env >&2; ${ready}; ${untilStdinEnds}`);
  const logged: string[] = [];
  part.lines.on("logged", (_, line) => logged.push(line.split("=")[0] ?? ""));
  await part.ready;
  await part.stop();
  assert.deepEqual(
    logged.filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name)),
    ["PATH"],
  );
});
