import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { limits } from "../../limits.ts";
import type { FromWorker, JobName, Jobs, StorageFolder, ToWorker } from "./jobs.ts";
import { StorageAway } from "./storage.ts";

/**
 * Runs jobs, one after the other, in a process of its own: a share that does not answer holds that one up and nobody
 * else, and what it costs to read a large workspace is not taken from the calls. The process is there while it is used.
 */
export interface Worker {
  /** Throws `Stopped` after `signal`, which ends it at a safe place. One that takes too long is ended anywhere. */
  run<Name extends JobName>(
    name: Name,
    asks: Jobs[Name]["asks"],
    options: { signal: AbortSignal; ms_max: number },
  ): Promise<Jobs[Name]["gives"]>;
  close(): void;
}

export class Stopped extends Error {
  override readonly name = "Stopped";
}

export interface WorkerOptions {
  storage(): StorageFolder;
  /** Which storage it was. */
  onStorage(id: string): void;
  /** How long it has to come to a safe place when it is told to stop. */
  stop_ms?: number;
}

const program = join(import.meta.dirname, "worker-process.ts");

export function createWorker({
  storage,
  onStorage,
  stop_ms = limits.checkpoint_stop_ms_max,
}: WorkerOptions): Worker {
  let child: ChildProcess | null = null;
  let idle: NodeJS.Timeout | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let closed = false;

  function start(): ChildProcess {
    const started = fork(program, {
      env: {},
      cwd: "/",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [`--max-old-space-size=${limits.checkpoint_worker_heap_mb}`],
    });
    started.on("error", () => {});
    started.once("exit", () => {
      if (child === started) child = null;
    });
    return started;
  }

  function end(): void {
    clearTimeout(idle);
    child?.kill("SIGKILL");
    child = null;
  }

  /** One that has nothing to do keeps nobody alive. */
  function rest(): void {
    clearTimeout(idle);
    child?.unref();
    child?.channel?.unref();
    idle = setTimeout(end, limits.checkpoint_worker_idle_ms).unref();
  }

  async function ask(message: ToWorker, { signal, ms_max }: { signal: AbortSignal; ms_max: number }) {
    if (closed || signal.aborted) throw new Stopped();
    clearTimeout(idle);
    child ??= start();
    const asked = child;
    const answered = Promise.withResolvers<FromWorker>();
    const failed = (message: string) =>
      answered.resolve({ type: "failed", message, code: null, away: false });
    const onExit = () => failed("the process that works on it ended");
    let timer = setTimeout(() => {
      failed(`it took more than ${ms_max / 1000} s`);
      end();
    }, ms_max);
    const onAbort = () => {
      asked.send({ type: "stop" } satisfies ToWorker, () => {});
      clearTimeout(timer);
      timer = setTimeout(() => {
        answered.resolve({ type: "stopped" });
        end();
      }, stop_ms);
    };
    asked.once("message", answered.resolve);
    asked.once("exit", onExit);
    asked.once("error", onExit);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      asked.ref();
      asked.channel?.ref();
      asked.send(message, (error) => error && onExit());
      return await answered.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      asked.off("message", answered.resolve);
      asked.off("exit", onExit);
      asked.off("error", onExit);
      rest();
    }
  }

  return {
    run(name, asks, options) {
      const { signal } = options;
      const begun = new AbortController();
      const mine = turn.then(async () => {
        begun.abort();
        const answer = await ask({ type: "job", storage: storage(), name, asks }, options);
        if (answer.type === "stopped") throw new Stopped();
        if (answer.type === "failed") throw failure(answer);
        if (answer.storage_id !== null) onStorage(answer.storage_id);
        return answer.gives as Jobs[typeof name]["gives"];
      });
      turn = mine.catch(() => {});
      return Promise.race([mine, stoppedInLine(signal, begun.signal)]);
    },
    close() {
      closed = true;
      end();
    },
  };
}

/** As many at a time: each job goes to the one that has fewest. */
export function createWorkers(count: number, options: WorkerOptions): Worker {
  const workers = Array.from({ length: count }, () => ({ worker: createWorker(options), jobs: 0 }));
  return {
    async run(name, asks, runOptions) {
      const least = workers.reduce((a, b) => (b.jobs < a.jobs ? b : a));
      least.jobs += 1;
      try {
        return await least.worker.run(name, asks, runOptions);
      } finally {
        least.jobs -= 1;
      }
    },
    close() {
      for (const { worker } of workers) worker.close();
    },
  };
}

/** Rejects when it is given up before its turn has come. */
function stoppedInLine(signal: AbortSignal, begun: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new Stopped());
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true, signal: begun });
  });
}

const failure = ({ message, code, away }: Extract<FromWorker, { type: "failed" }>): Error =>
  away ? new StorageAway(message) : Object.assign(new Error(message), code && { code });
