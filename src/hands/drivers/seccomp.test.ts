import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Architecture, seccompFilter } from "./seccomp.ts";

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
  327777: "EAFNOSUPPORT",
};

const numbers = {
  x64: {
    read: 0,
    mount: 165,
    last: 467,
    clone: 56,
    clone3: 435,
    ioctl: 16,
    socket: 41,
    pair: 53,
    personality: 135,
  },
  arm64: {
    read: 63,
    mount: 40,
    last: 467,
    clone: 220,
    clone3: 435,
    ioctl: 29,
    socket: 198,
    pair: 199,
    personality: 92,
  },
};

for (const architecture of ["x64", "arm64"] as const) {
  describe(`the filter for ${architecture}`, () => {
    const call = numbers[architecture];
    const on = (number: number, ...args: number[]) => verdict(architecture, { number, args });

    test("allows what it does not name", () => {
      assert.deepEqual([on(call.read), on(1000)], ["allow", "allow"]);
    });

    test("refuses the first and the last of its list", () => {
      assert.deepEqual([on(call.mount), on(call.last)], ["EPERM", "EPERM"]);
    });

    test("allows clone without new namespaces, and no clone3", () => {
      assert.equal(on(call.clone, 0x3d0f00), "allow");
      for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
        assert.equal(on(call.clone, flag | 17), "EPERM");
      }
      assert.equal(on(call.clone3), "ENOSYS");
    });

    test("knows sockets by their family", () => {
      for (const number of [call.socket, call.pair]) {
        assert.deepEqual(
          [1, 2, 10].map((family) => on(number, family, 1, 0)),
          ["allow", "allow", "allow"],
        );
        assert.deepEqual(
          [17, 38, 40].map((family) => on(number, family, 1, 0)),
          Array(3).fill("EAFNOSUPPORT"),
        );
        assert.deepEqual([on(number, 16, 3, 0), on(number, 16, 3, 9)], ["allow", "EAFNOSUPPORT"]);
      }
    });

    test("refuses to type into terminals, whatever the upper half of the request says", () => {
      assert.deepEqual([on(call.ioctl, 0, 0x5401), on(call.ioctl, 0, 0x5412)], ["allow", "EPERM"]);
      assert.equal(on(call.ioctl, 0, 0x1_0000_5412), "EPERM");
    });

    test("allows common personalities", () => {
      assert.deepEqual(
        [on(call.personality, 0xffffffff), on(call.personality, 0x400000)],
        ["allow", "EPERM"],
      );
    });

    test("kills calls of another architecture", () => {
      assert.equal(verdict(architecture, { number: call.read, audit: 0x40000003 }), "kill");
    });
  });
}

test("calls of the x32 kind are killed", () => {
  assert.equal(verdict("x64", { number: 0x40000000 | 165 }), "kill");
});
