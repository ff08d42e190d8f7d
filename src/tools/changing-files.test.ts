import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { limits } from "../limits.ts";
import { png } from "../protocol/testing-images.ts";
import { edit } from "./edit.ts";
import { read } from "./read.ts";
import { textOf } from "./testing.ts";
import type { ToolSandbox } from "./tool.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-changing-"));
after(() => rmSync(folder, { recursive: true }));

/** Runs the tools' own scripts on this machine; something happens before the step of that name. */
const sandboxWith = (before: string, happens: () => void): ToolSandbox => ({
  async execute(step, operation) {
    assert.ok(operation.type === "exec");
    if (step === before) happens();
    const [program = "", ...args] = operation.argv;
    const input = Buffer.from(operation.stdin_base64, "base64");
    const ran = spawnSync(program, args, { cwd: folder, input, maxBuffer: 64 << 20 });
    return {
      status: "finished",
      exit_code: ran.status,
      timed_out: false,
      cancelled: false,
      output_base64: ran.stdout.toString("base64"),
      stderr_base64: ran.stderr.toString("base64"),
      omitted_bytes: 0,
      earlier_base64: "",
      earlier_omitted_bytes: 0,
      kept: null,
      fresh_shell: false,
      restored: null,
      network: null,
    };
  },
});

describe("a file that changes between the steps of a call", () => {
  test("is not edited", async () => {
    const path = join(folder, "edited");
    writeFileSync(path, "old");
    const sandbox = sandboxWith("write", () => writeFileSync(path, "old, but newer"));
    const input = { file_path: "edited", old_string: "old", new_string: "new" };
    const result = await edit.run(input, sandbox);
    assert.match(textOf(result), /changed by something else meanwhile; read it again/);
    assert.equal(result.is_error, true);
    assert.equal(readFileSync(path, "utf8"), "old, but newer");
    const again = await edit.run(
      input,
      sandboxWith("", () => {}),
    );
    assert.equal(again.is_error, false);
  });

  test("is not shown when it is too large by now", async () => {
    const path = join(folder, "grows.png");
    writeFileSync(path, Buffer.from(png(2, 2), "base64"));
    const sandbox = sandboxWith("whole", () => truncateSync(path, limits.image_base64_chars_max));
    const result = await read.run({ file_path: "grows.png" }, sandbox);
    assert.match(textOf(result), /cannot be shown/);
  });
});
