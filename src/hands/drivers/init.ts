import type { Readable, Writable } from "node:stream";
import { readLines } from "../../net/lines.ts";
import { type SandboxProcess, Unavailable } from "../driver.ts";
import { readExitCode } from "../exit-code.ts";
import { quote } from "../quote.ts";
import type { PipeSet, PipeSets } from "./pipes.ts";

/** The program of a sandbox's first process; bash runs it. */
export const initProgram = new URL("./init.bash", import.meta.url);

/** The host's side of a sandbox's first process. */
export interface Init {
  /** The sandbox is up. */
  readonly ready: Promise<void>;
  spawn(argv: string[], options: { control: boolean }): Promise<SandboxProcess>;
  /** The sandbox is gone, and every process with it. */
  end(): void;
}

interface Running {
  pipes: PipeSet;
  exited(code: number | null): void;
}

const answerBytesMax = 1_024;

const signalNames = { SIGINT: "INT", SIGTERM: "TERM", SIGKILL: "KILL" } as const;

/** `pipesInside` is where the sandbox sees the folder of its pipes. */
export function createInit(
  commands: Writable,
  answers: Readable,
  pipeSets: PipeSets,
  pipesInside: string,
): Init {
  const running = new Map<number, Running>();
  const signalling = new Map<number, () => void>();
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
  let count = 0;
  let ended = false;

  commands.on("error", () => {});
  const answered = (line: string) => {
    const [what, n, code] = line.split(" ");
    const number = Number(n);
    if (what === "ready") isReady();
    else if (what === "started") running.get(number)?.pipes.opened();
    else if (what === "exited") exitedWith(number, readExitCode(code));
    else if (what === "signalled") acknowledge(number);
  };
  // A sandbox that writes into its first process's answers is ended: with its commands, that process ends too.
  const refuse = () => void commands.end();
  readLines(answers, answerBytesMax, { line: answered, tooLong: refuse });

  function exitedWith(id: number, code: number | null): void {
    if (code === null) refuse();
    else finish(id, code);
  }

  function send(...words: (string | number)[]): void {
    if (!ended && commands.writable)
      commands.write(`${words.map((word) => quote(String(word))).join(" ")}\0`);
  }

  function finish(id: number, code: number | null): void {
    const process = running.get(id);
    if (!process) return;
    running.delete(id);
    process.pipes.close();
    process.exited(code);
    send("forget", id);
  }

  function acknowledge(n: number): void {
    signalling.get(n)?.();
    signalling.delete(n);
  }

  return {
    ready,
    async spawn(argv, { control }) {
      if (argv.some((argument) => argument.includes("\0"))) {
        throw new Error("an argument of a command holds a NUL byte, which no program can be given");
      }
      const pipes = await pipeSets.take({ control });
      if (ended) {
        pipes.close();
        throw new Unavailable("the sandbox has ended");
      }
      const id = count++;
      const { promise: exited, resolve } = Promise.withResolvers<number | null>();
      running.set(id, { pipes, exited: resolve });
      pipes.silent.then(() => running.has(id) && send("closed", id));
      const path = `${pipesInside}/${pipes.name}`;
      send("run", id, path, control ? `${path}.ctl` : "/dev/null", ...argv);
      return {
        ...{ stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr, control: pipes.control },
        exited,
        kill: (signal, spare = []) =>
          new Promise((sent) => {
            if (ended) return sent();
            const n = count++;
            signalling.set(n, sent);
            send("signal", n, signalNames[signal], id, spare.join(" "));
          }),
      };
    },
    end() {
      ended = true;
      for (const id of [...running.keys()]) finish(id, null);
      for (const n of [...signalling.keys()]) acknowledge(n);
    },
  };
}
