import { randomBytes } from "node:crypto";
import { finished } from "node:stream/promises";
import { limits } from "../limits.ts";
import { type Collected, collectOutput } from "./collect-output.ts";
import { type OutputFile, type Sandbox, Unavailable } from "./driver.ts";
import { keepHeadAndTail } from "./head-and-tail.ts";
import { quote } from "./quote.ts";
import { type Report, shellFds, shellReports } from "./shell-reports.ts";
import { untilStopped, within } from "./until-stopped.ts";
import type { KeptOutput } from "./wire.ts";

/**
 * One persistent bash in a sandbox. Commands are evaluated in it one after the other, so that cwd, variables,
 * functions and background jobs live on; stdout and stderr are one stream.
 *
 * I1  Before and after each command bash marks that stream. What lies between the marks is the command's output, whoever else still
 *     holds the stream open; what background jobs write later is told with the next command.
 * I2  Every command has all three streams anew: an `exec` in the one before it has changed none of them.
 * I3  Bash is interactive, so that SIGINT ends the command and not the shell.
 * I4  A command is over when bash has reported after the last signal was sent.
 */
export interface Shell {
  /** One at a time. */
  run(command: string, options: RunOptions): Promise<RunResult>;
  /** Whether anything runs in the sandbox besides the shell itself. Only between commands. */
  hasJobs(): Promise<boolean>;
  /** Ends it and all it started. */
  end(): Promise<void>;
  /** Null when the sandbox ended with it. */
  readonly exited: Promise<number | null>;
}

export interface RunOptions {
  timeout_ms: number;
  output_bytes: number;
  /** The file for all of a longer output; null for none. */
  keep_output_as: string | null;
  signal: AbortSignal;
}

export const fileFor = (sandbox: Sandbox, { keep_output_as: name }: RunOptions): (() => OutputFile) | null =>
  name === null ? null : () => sandbox.keepOutput(name);

export type RunResult =
  | {
      status: "finished";
      /** Null when it was stopped. */
      exit_code: number | null;
      timed_out: boolean;
      cancelled: boolean;
      output: Buffer;
      omitted_bytes: number;
      kept: KeptOutput | null;
      /** What background jobs wrote since the command before. */
      earlier: Buffer;
      earlier_omitted_bytes: number;
    }
  /** The sandbox ended with it. */
  | { status: "lost" };

/** What an interactive bash without a terminal says when a signal ended a command. */
const terminalComplaint = /bash: \[\d+: \d+ \(\d+\)\] tcsetattr: Inappropriate ioctl for device\n/g;
const stopAttempts = 5;
/** The first process, the shell's parent and the shell. */
const ownProcesses = 3;

export async function startShell(sandbox: Sandbox): Promise<Shell> {
  const bash = await sandbox.spawn(["bash", "--norc", "--noprofile", "--noediting", "-i"], { control: true });
  let background = keepHeadAndTail(limits.background_output_bytes_max);
  let output: Pick<Collected, "write"> = background;
  bash.stderr.resume();
  // Prompts and the shell's own notices go nowhere; commands have their stderr in their output.
  bash.stdin.write("PS1= PS2=\nexec 2>/dev/null\nset +o history +H\nunset HISTFILE MAILCHECK\n");
  const reports = shellReports(bash, randomBytes(12).toString("hex"), (chunk) => output.write(chunk));
  const exited = Promise.all([bash.exited, finished(bash.stdout)]).then(([code]) => ({ exit_code: code }));
  const silent: Report = { status: 0, shell: 0, pids: [] };
  const first = await within(limits.sandbox_start_ms_max, Promise.race([reports.ask(), exited]));
  if (!first) {
    await sandbox.destroy();
    throw new Unavailable(
      "no shell could be started in the sandbox, which was ended; the next call gets a new one",
    );
  }
  let known = "pids" in first ? first : silent;

  async function run(command: string, options: RunOptions): Promise<RunResult> {
    const collected = collectOutput(options.output_bytes, fileFor(sandbox, options));
    const before = background;
    reports.mark(() => {
      output = collected;
    });
    const { control, marks } = shellFds;
    bash.stdin.write(`eval ${quote(command)} </dev/null >&${marks} 2>&1 ${control}>&- ${marks}>&-`);
    const over = Promise.race([reports.ask(), exited]);
    const end = await untilStopped(over, options);
    if (end === "timed_out" || end === "cancelled") await stop(over);
    else if ("pids" in end) known = end;
    background = keepHeadAndTail(limits.background_output_bytes_max);
    output = background;
    const earlier = before.kept();
    const { bytes, omitted_bytes, kept } = await collected.end();
    if (typeof end !== "string" && "exit_code" in end && end.exit_code === null) return { status: "lost" };
    return {
      status: "finished",
      exit_code: typeof end === "string" ? null : "pids" in end ? end.status : end.exit_code,
      timed_out: end === "timed_out",
      cancelled: end === "cancelled",
      output: withoutComplaints(bytes),
      omitted_bytes,
      kept,
      earlier: withoutComplaints(earlier.bytes),
      earlier_omitted_bytes: earlier.omitted_bytes,
    };
  }

  /** Ends as little as will do: the command, what it started, the shell, the sandbox. */
  async function stop(over: Promise<unknown>): Promise<void> {
    const others = known.pids.filter((pid) => pid !== known.shell);
    for (let attempt = 0; attempt < stopAttempts; attempt++) {
      if (attempt > 0) await signal("SIGKILL", known.pids);
      await signal("SIGINT", others);
      if (!(await within(limits.sandbox_signal_grace_ms, over))) continue;
      // A signal may still be under way to bash: a new report says that it listens.
      const answer = await within(limits.sandbox_kill_grace_ms, Promise.race([reports.ask(), exited]));
      if (!answer) break;
      if ("pids" in answer) known = answer;
      return;
    }
    await end();
  }

  async function signal(name: "SIGINT" | "SIGKILL", spare: number[]): Promise<void> {
    await within(limits.sandbox_kill_grace_ms, bash.kill(name, spare));
  }

  async function end(): Promise<void> {
    for (let attempt = 0; attempt < stopAttempts; attempt++) {
      await signal("SIGKILL", []);
      if (await within(limits.sandbox_signal_grace_ms, exited)) return;
    }
    await sandbox.destroy();
  }

  return {
    run,
    end,
    exited: bash.exited,
    async hasJobs() {
      const answer = await within(limits.sandbox_kill_grace_ms, Promise.race([reports.ask(), exited]));
      return answer !== null && "pids" in answer && answer.pids.length > ownProcesses;
    },
  };
}

function withoutComplaints(output: Buffer): Buffer {
  if (!output.includes("tcsetattr")) return output;
  return Buffer.from(output.toString("latin1").replace(terminalComplaint, ""), "latin1");
}
