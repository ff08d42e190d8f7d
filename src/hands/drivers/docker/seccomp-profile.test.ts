import assert from "node:assert/strict";
import { test } from "node:test";
import { othersThan, seccompProfile } from "./seccomp-profile.ts";

const actionOf = (name: string, args: number[]): string => {
  const { syscalls, defaultErrnoRet } = seccompProfile("x64");
  const found = syscalls.filter(
    (rule) =>
      rule.names.includes(name) &&
      (rule.args ?? []).every(
        ({ index, value, valueTwo }) => ((args[index] ?? 0) & value) >>> 0 === valueTwo,
      ),
  );
  assert.ok(found.length <= 1, `${name}(${args}) has ${found.length} rules`);
  const [rule] = found;
  if (!rule) return `fails with ${defaultErrnoRet}`;
  return rule.action === "SCMP_ACT_ALLOW" ? "allowed" : `fails with ${rule.errnoRet}`;
};

test("values are left out, and no other one", () => {
  const values = [0, 0x5412, 0xffffffff];
  const has = (value: number) =>
    othersThan(0, values).filter((each) => (value & each.value) >>> 0 === each.valueTwo).length;
  for (const value of values) assert.equal(has(value), 0);
  for (const value of [1, 0x5411, 0x5413, 0x80000000, 0xfffffffe]) assert.equal(has(value), 1, String(value));
});

test("calls are judged as by the filter of the other sandboxes", () => {
  const judged: [string, number[], string][] = [
    ["read", [], "allowed"],
    ["mount", [], "fails with 1"],
    ["ptrace", [], "fails with 1"],
    ["clone3", [], "fails with 38"],
    ["never_heard_of", [], "fails with 38"],
    ["clone", [0x1200011], "allowed"],
    ["clone", [0x10000000], "fails with 1"],
    ["fcntl", [0, 1030], "allowed"],
    ["fcntl", [0, 1024], "fails with 1"],
    ["ioctl", [0, 0x5413], "allowed"],
    ["ioctl", [0, 0x5412], "fails with 1"],
    ["mknod", [0, 0o010600], "allowed"],
    ["mknodat", [0, 0, 0o020600], "fails with 1"],
    ["personality", [0xffffffff], "allowed"],
    ["personality", [0x0400000], "fails with 1"],
    ["setsockopt", [0, 6, 1], "allowed"],
    ["setsockopt", [0, 6, 31], "fails with 92"],
    ["setsockopt", [0, 1, 31], "allowed"],
    ["socket", [1, 1, 0], "allowed"],
    ["socket", [2, 1, 6], "allowed"],
    ["socket", [10, 3, 255], "fails with 93"],
    ["socket", [16, 3, 0], "allowed"],
    ["socket", [16, 3, 9], "fails with 97"],
    ["socketpair", [40, 1, 0], "fails with 97"],
  ];
  for (const [name, args, action] of judged) assert.equal(actionOf(name, args), action, `${name}(${args})`);
});
