import { readLines } from "../net/lines.ts";
import type { SandboxProcess } from "./driver.ts";
import { readExitCode } from "./exit-code.ts";
import { markPrefix, scanMarks } from "./marks.ts";

/** What bash says of itself between two commands. */
export interface Report {
  /** Exit code of the last command. */
  status: number;
  /** The shell itself, as seen inside the sandbox, like `pids`. */
  shell: number;
  /** Everything that runs in the sandbox. */
  pids: number[];
}

export interface ShellReports {
  /** Asks bash to report when it has read everything before. Resolves when all output before that has been passed on. */
  ask(): Promise<Report>;
  /** Has bash say where in its output it has come to. `passed` hears of it before any output that follows. */
  mark(passed: () => void): void;
}

/** More than any honest report has. */
const reportLine = { bytesMax: 64, countMax: 100_000 };

/** High, so that they are not in the way of commands that use descriptors of their own. */
export const shellFds = { control: 198, marks: 199 } as const;

/**
 * A report is a numbered mark in the shell's output and, after it, lines on its control pipe: number, status and pid;
 * the processes; an empty line. Everything that asks counts, but a signal may swallow a report, so a later one
 * answers for those before it.
 */
export function shellReports(
  process: SandboxProcess,
  nonce: string,
  output: (chunk: Buffer) => void,
): ShellReports {
  const waiting: { number: number; resolve(report: Report): void }[] = [];
  const passing: { number: number; passed(): void }[] = [];
  let asked = 0;
  let marked = -1;
  let reported: { number: number; report: Report } | null = null;
  let lines: string[] = [];

  const scanner = scanMarks(markPrefix(nonce), {
    bytes: output,
    mark(number) {
      marked = number;
      for (let next = passing[0]; next && next.number <= number; next = passing[0]) {
        passing.shift();
        next.passed();
      }
      settle();
    },
  });
  process.stdout.on("data", (chunk: Buffer) => scanner.write(chunk));
  process.stdout.on("end", () => scanner.end());
  if (process.control) readLines(process.control, reportLine.bytesMax, { line: read, tooLong: refuse });
  process.stdin.write(reportFunction(nonce));

  /** Anything in the sandbox can write to the pipe: a shell whose reports cannot be believed is ended. */
  function refuse(): void {
    lines = [];
    void process.kill("SIGKILL");
  }

  function read(line: string): void {
    if (line !== "") {
      if (lines.length < reportLine.countMax) lines.push(line);
      else refuse();
      return;
    }
    const [first = "", ...processes] = lines;
    lines = [];
    const [number = "", code, shell] = first.split(" ");
    const status = readExitCode(code);
    if (status === null) {
      refuse();
      return;
    }
    const pids = processes.map((path) => Number(path.slice("/proc/".length)));
    reported = {
      number: Number.parseInt(number, 16),
      report: { status, shell: Number(shell), pids },
    };
    settle();
  }

  function settle(): void {
    for (let next = waiting[0]; next && reported; next = waiting[0]) {
      if (marked < next.number || reported.number < next.number) return;
      waiting.shift();
      next.resolve(reported.report);
    }
  }

  /** The empty line: what follows a syntax error is otherwise misread. */
  function say(what: string): number {
    const number = asked++;
    process.stdin.write(`\n\n{ ${what} ${number.toString(16).padStart(8, "0")}; } 2>/dev/null\n`);
    return number;
  }

  return {
    ask() {
      const number = say("__drover_report");
      return new Promise((resolve) => waiting.push({ number, resolve }));
    },
    mark(passed) {
      passing.push({ number: say("__drover_mark"), passed });
    },
  };
}

/** Keeps `$?`. The mark is written in escapes, so that a trace of the line is not a mark. */
const reportFunction = (nonce: string) => `
exec ${shellFds.control}>&3 3>&- ${shellFds.marks}>&1
__drover_mark() {
  local status=$?
  builtin printf '\\036${nonce}:%s\\036' "$1" >&${shellFds.marks}
  return $status
}
__drover_report() {
  local status=$?
  __drover_mark "$1" || :
  {
    builtin printf '%s %s %s\\n' "$1" "$status" "$$"
    builtin compgen -G '/proc/[0-9]*'
    builtin echo
  } >&${shellFds.control}
  return $status
}
`;
