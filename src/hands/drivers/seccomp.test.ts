import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { type Architecture, seccompFilter } from "./seccomp.ts";
import { allowed, checked, refused } from "./system-calls.ts";

const audit = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Runs the program as the kernel would on a call; the verdict. */
function verdict(
  architecture: Architecture,
  call: { number: number; args?: number[]; audit?: number },
): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number >>> 0, 0);
  data.writeUInt32LE(call.audit ?? audit[architecture], 4);
  for (const [n, arg] of (call.args ?? []).entries()) data.writeBigUInt64LE(BigInt(arg), 16 + 8 * n);
  const program = seccompFilter(architecture);
  let accumulator = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const code = program.readUInt16LE(at * 8);
    const [yes, no, value] = [
      program[at * 8 + 2] ?? 0,
      program[at * 8 + 3] ?? 0,
      program.readUInt32LE(at * 8 + 4),
    ];
    const jump = (holds: boolean) => {
      at += holds ? yes : no;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x05) at += value;
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >= value);
    else if (code === 0x45) jump((accumulator & value) !== 0);
    else if (code === 0x06) return answers[value] ?? value.toString(16);
    else throw new Error(`instruction ${code.toString(16)} at ${at}`);
  }
  throw new Error("the program ran off its end");
}

const answers: Record<number, string> = {
  2147418112: "allow",
  2147483648: "kill",
  327681: "EPERM",
  327718: "ENOSYS",
  327772: "ENOPROTOOPT",
  327773: "EPROTONOSUPPORT",
  327777: "EAFNOSUPPORT",
};

/** By name, of all that the tables know and the few that they do not. */
function numberOf(name: string, architecture: Architecture): number {
  const found = [...allowed, ...checked, ...refused].find((call) => call.name === name)?.[architecture];
  return found ?? assert.fail(`${architecture} has no ${name}`);
}

for (const architecture of ["x64", "arm64"] as const) {
  describe(`the filter for ${architecture}`, () => {
    const on = (name: string, ...args: number[]) =>
      verdict(architecture, { number: numberOf(name, architecture), args });
    const onNumber = (number: number) => verdict(architecture, { number });

    test("answers every number as the tables say, and what they do not name as an older kernel would", () => {
      const expected = new Map<number, string>();
      for (const [calls, answer] of [
        [allowed, "allow"],
        [refused, "EPERM"],
        [checked, null],
      ] as const) {
        for (const call of calls) {
          const number = call[architecture];
          if (number !== null) expected.set(number, answer ?? onNumber(number));
        }
      }
      for (let number = 0; number < 1_000; number++)
        assert.equal(onNumber(number), expected.get(number) ?? "ENOSYS", `call ${number}`);
      assert.equal(onNumber(0x3fffffff), "ENOSYS");
    });

    test("names each call once, and no two by one number", () => {
      const calls = [...allowed, ...checked, ...refused];
      const numbers = calls.flatMap((call) => call[architecture] ?? []);
      assert.equal(new Set(calls.map(({ name }) => name)).size, calls.length);
      assert.equal(new Set(numbers).size, numbers.length);
      assert.ok(numbers.every(Number.isSafeInteger));
    });

    test("allows clone without new namespaces, and no clone3", () => {
      assert.equal(on("clone", 0x3d0f00), "allow");
      for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
        assert.equal(on("clone", flag | 17), "EPERM");
      }
      assert.equal(onNumber(435), "ENOSYS");
    });

    test("knows sockets by their family", () => {
      for (const call of ["socket", "socketpair"]) {
        assert.deepEqual(
          [1, 2, 10].map((family) => on(call, family, 1, 0)),
          ["allow", "allow", "allow"],
        );
        assert.deepEqual(
          [17, 38, 40].map((family) => on(call, family, 1, 0)),
          Array(3).fill("EAFNOSUPPORT"),
        );
        assert.deepEqual([on(call, 16, 3, 0), on(call, 16, 3, 9)], ["allow", "EAFNOSUPPORT"]);
      }
    });

    test("knows sockets of the internet by their protocol", () => {
      for (const family of [2, 10]) {
        assert.deepEqual(
          [6, 17, 1, 58].map((protocol) => on("socket", family, 1, protocol)),
          Array(4).fill("allow"),
        );
        // SCTP, DCCP, UDP-Lite, raw, MPTCP.
        assert.deepEqual(
          [132, 33, 136, 255, 262].map((protocol) => on("socket", family, 1, protocol)),
          Array(5).fill("EPROTONOSUPPORT"),
        );
      }
      assert.deepEqual([on("setsockopt", 3, 6, 1), on("setsockopt", 3, 1, 31)], ["allow", "allow"]);
      assert.equal(on("setsockopt", 3, 6, 31), "ENOPROTOOPT");
    });

    test("allows pipes and sockets to be made in a folder, and no devices", () => {
      for (const kind of [0, 0o100000, 0o010000, 0o140000])
        assert.equal(on("mknodat", 3, 0, kind | 0o644), "allow");
      for (const kind of [0o020000, 0o060000]) assert.equal(on("mknodat", 3, 0, kind | 0o644), "EPERM");
    });

    test("refuses to type into terminals, whatever the upper half of the request says", () => {
      assert.deepEqual([on("ioctl", 0, 0x5401), on("ioctl", 0, 0x5412)], ["allow", "EPERM"]);
      assert.equal(on("ioctl", 0, 0x1_0000_5412), "EPERM");
    });

    test("refuses leases of files, and nothing else that is done to descriptors", () => {
      for (const command of [0, 1, 4, 6, 1025, 1030, 1031])
        assert.equal(on("fcntl", 3, command), "allow", String(command));
      assert.deepEqual([on("fcntl", 3, 1024, 1), on("fcntl", 3, 0x1_0000_0400)], ["EPERM", "EPERM"]);
    });

    test("allows common personalities", () => {
      assert.deepEqual([on("personality", 0xffffffff), on("personality", 0x400000)], ["allow", "EPERM"]);
    });

    test("kills calls of another architecture", () => {
      assert.equal(
        verdict(architecture, { number: numberOf("read", architecture), audit: 0x40000003 }),
        "kill",
      );
    });
  });
}

test("calls of the x32 kind are killed", () => {
  assert.equal(verdict("x64", { number: 0x40000000 | 165 }), "kill");
});

/** What this machine's C headers say: the number of each call of an architecture that they know. */
const headers: Record<Architecture, string> = {
  x64: "#include <asm/unistd_64.h>\n",
  // The generic ones, with which arm64 began.
  arm64: ["#define __BITS_PER_LONG 64", "#define __ARCH_WANT_RENAMEAT", "#define __ARCH_WANT_NEW_STAT"]
    .concat(["#define __ARCH_WANT_SET_GET_RLIMIT", "#define __ARCH_WANT_SYS_CLONE3"])
    .concat(["#include <asm-generic/unistd.h>\n"])
    .join("\n"),
};

function definedBy(architecture: Architecture): Map<string, string> | null {
  try {
    const stdio: ["pipe", "pipe", "ignore"] = ["pipe", "pipe", "ignore"];
    const input = headers[architecture];
    const said = execFileSync("cc", ["-E", "-dM", "-x", "c", "-"], { input, stdio, encoding: "utf8" });
    return new Map(
      [...said.matchAll(/^#define (__NR\w*) (\w+)$/gm)].map(([, name = "", value = ""]) => [name, value]),
    );
  } catch {
    return null;
  }
}

for (const architecture of ["x64", "arm64"] as const) {
  const defined = definedBy(architecture);
  const skip = defined === null && "this machine has no C compiler with those headers";
  test(`the numbers of ${architecture} are those of the kernel's headers`, { skip }, () => {
    const resolve = (name: string): string => resolveOnce(defined?.get(name) ?? name);
    const resolveOnce = (value: string) => (value.startsWith("__NR") ? resolve(value) : value);
    let compared = 0;
    for (const call of [...allowed, ...checked, ...refused]) {
      const name = `__NR_${call.name}`;
      if (!defined?.has(name)) continue;
      assert.equal(String(call[architecture]), resolve(name), call.name);
      compared += 1;
    }
    assert.ok(compared > 250, `only ${compared} calls were found in the headers`);
  });
}
