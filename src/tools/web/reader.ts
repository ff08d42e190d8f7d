import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { limits } from "../../limits.ts";
import type { Readable } from "./html.ts";
import { createTurns } from "./turns.ts";

/** A page as it was received. */
export interface Page {
  format: "html" | "pdf";
  /** Where it came from. */
  url: string;
  charset: string;
  bytes: Uint8Array;
}

/** What a reader process answers. */
export type Reading = { read: Readable } | { unreadable: string };

/**
 * Turns pages into text. They come from anybody and may be made to take all time and memory that there is, so they are
 * read in processes of their own, which hold no secret and are ended when they take more than their share. A thread
 * would not do: V8 ends the whole process where it cannot end a thread that is out of memory.
 */
export interface Reader {
  read(page: Page, signal: AbortSignal): Promise<Reading>;
  close(): void;
}

interface Process {
  child: ChildProcess;
  idleTimer?: NodeJS.Timeout;
}

/** What the process may read: its program, and the libraries, wherever they were installed. */
const readable = [
  join(import.meta.dirname, "../../.."),
  ...["turndown", "@joplin/turndown-plugin-gfm", "@mixmark-io/domino", "unpdf"].map((library) =>
    fileURLToPath(import.meta.resolve(library)).replace(/(\/node_modules)\/(?!.*\/node_modules\/).*$/, "$1"),
  ),
];

/** `reading_ms`: what one page may take. */
export function createReader({ reading_ms = limits.web_reading_ms }: { reading_ms?: number } = {}): Reader {
  const turns = createTurns(limits.web_readers_max);
  const living = new Set<Process>();
  const idle: Process[] = [];

  async function startProcess(): Promise<Process> {
    const child = fork(join(import.meta.dirname, "reader-process.ts"), {
      env: {},
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      serialization: "advanced",
      execArgv: [
        "--permission",
        "--allow-worker",
        ...[...new Set(readable)].map((folder) => `--allow-fs-read=${folder}`),
        `--max-old-space-size=${limits.web_reader_heap_mb}`,
        `--stack-size=${limits.web_reader_stack_kb}`,
      ],
    });
    const process = { child };
    living.add(process);
    child.on("exit", () => forget(process));
    child.on("error", () => forget(process));
    await new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("error", reject);
      child.once("exit", () =>
        reject(new Error("see that the server's user may read Drover's program files")),
      );
    });
    rest(process);
    return process;
  }

  function forget(process: Process): void {
    clearTimeout(process.idleTimer);
    living.delete(process);
    const at = idle.indexOf(process);
    if (at >= 0) idle.splice(at, 1);
  }

  function end(process: Process): void {
    forget(process);
    process.child.kill("SIGKILL");
  }

  /** One that has nothing to do keeps nobody alive. */
  function rest(process: Process): void {
    if (!living.has(process)) return;
    process.child.unref();
    process.child.channel?.unref();
    process.idleTimer = setTimeout(() => end(process), limits.web_reader_idle_ms).unref();
  }

  async function readIn(process: Process, page: Page, signal: AbortSignal): Promise<Reading> {
    const { child } = process;
    clearTimeout(process.idleTimer);
    const done = Promise.withResolvers<Reading>();
    const giveUp = (why: string) => {
      done.resolve({ unreadable: why });
      end(process);
    };
    const onAbort = () => giveUp("it was interrupted");
    const onExit = () => giveUp("it is too large or too complex");
    const timer = setTimeout(() => giveUp("it takes too long to read"), reading_ms);
    child.once("message", done.resolve);
    child.once("exit", onExit);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      child.ref();
      child.channel?.ref();
      if (signal.aborted) onAbort();
      else child.send(page, (error) => error && onExit());
      return await done.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      child.off("message", done.resolve);
      child.off("exit", onExit);
      rest(process);
    }
  }

  return {
    async read(page, signal) {
      const release = await turns.take(signal);
      try {
        const process = idle.pop() ?? (await startProcess());
        const reading = await readIn(process, page, signal);
        if (living.has(process)) idle.push(process);
        return reading;
      } catch (error) {
        return { unreadable: `the server's reader does not start: ${(error as Error).message}` };
      } finally {
        release();
      }
    },
    close() {
      for (const process of [...living]) end(process);
    },
  };
}
