import { finished } from "node:stream/promises";
import { limits } from "../limits.ts";
import { collectOutput } from "./collect-output.ts";
import type { Sandbox } from "./driver.ts";
import { keepHeadAndTail } from "./head-and-tail.ts";
import { fileFor, type RunOptions, type RunResult } from "./shell.ts";
import { untilStopped, within } from "./until-stopped.ts";

export type ExecResult = Omit<Exclude<RunResult, { status: "lost" }>, "earlier" | "earlier_omitted_bytes"> & {
  stderr: Buffer;
};

/** Runs one process of its own in the sandbox. It is over when that process is, whatever it leaves behind. */
export async function exec(
  sandbox: Sandbox,
  argv: string[],
  stdin: Buffer,
  options: RunOptions,
): Promise<ExecResult | { status: "lost" }> {
  const process = await sandbox.spawn(argv, { control: false });
  const stdout = collectOutput(options.output_bytes, fileFor(sandbox, options));
  const stderr = keepHeadAndTail(limits.exec_stderr_bytes_max);
  process.stdout.on("data", (chunk: Buffer) => stdout.write(chunk));
  process.stderr.on("data", (chunk: Buffer) => stderr.write(chunk));
  process.stdin.end(stdin);
  const over = Promise.all([process.exited, finished(process.stdout), finished(process.stderr)]);
  const end = await untilStopped(over, options);
  const stopped = typeof end === "string";
  if (stopped) {
    await within(limits.sandbox_kill_grace_ms, process.kill("SIGKILL"));
    if (!(await within(limits.sandbox_kill_grace_ms, over))) await sandbox.destroy();
  }
  const { bytes, omitted_bytes, kept } = await stdout.end();
  if (!stopped && end[0] === null) return { status: "lost" };
  return {
    status: "finished",
    exit_code: stopped ? null : end[0],
    timed_out: end === "timed_out",
    cancelled: end === "cancelled",
    output: bytes,
    omitted_bytes,
    kept,
    stderr: stderr.kept().bytes,
  };
}
