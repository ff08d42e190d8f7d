import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { findCgroups } from "./cgroups.ts";

const owner = `a host that was killed, ${process.pid}`;
const cgroups = findCgroups(owner);

test("what a killed host has left running ends when the next one begins", {
  skip: cgroups === null && "needs cgroups that can be written",
}, async () => {
  const limits = { cpu: null, memory_bytes: 256 << 20, processes: 64 };
  const cgroup = cgroups?.create("sbx_left", limits);
  // With a child that no process namespace ends with it, and that has its output too.
  const left = spawn("sh", ["-c", "read -r _; sleep 1000 & echo begun; exec sleep 1001"]);
  assert.ok(left.pid && cgroup?.add(left.pid));
  left.stdin.write("go\n");
  await once(left.stdout, "data");
  const ended = Promise.all([once(left, "exit"), once(left.stdout, "end")]);
  left.stdout.resume();
  findCgroups(owner);
  const [[, signal]] = await ended;
  assert.equal(signal, "SIGKILL");
  await cgroup?.remove();
});
