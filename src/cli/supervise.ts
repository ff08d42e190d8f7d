import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { exitCannotStart } from "./child.ts";

export interface ChildSpec {
  /** `serve`, `hands`: for people. */
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
}

export interface Supervised {
  /** What the child said when it was ready for the first time. Rejects when it cannot be started. */
  ready: Promise<Record<string, unknown>>;
  pid(): number | undefined;
  stop(): Promise<void>;
}

export interface SuperviseEvents {
  /** A line for people. */
  say(text: string): void;
  /** A line that the child wrote to stderr or stdout. */
  log(name: string, line: string): void;
}

const restartFirstMs = 100;
const restartLongestMs = 5_000;
/** One that has lived this long is not in a crash loop. */
const steadyMs = 10_000;
const stopTimeoutMs = 15_000;

/** Keeps a child alive: one that dies is back within a second, one that keeps dying every few seconds. */
export function supervise(spec: ChildSpec, events: SuperviseEvents): Supervised {
  let child: ChildProcess | null = null;
  let stopping = false;
  const wake = new AbortController();
  let resolveReady: (facts: Record<string, unknown>) => void = () => {};
  let rejectReady: (error: Error) => void = () => {};
  let wasReady = false;
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    resolveReady = resolve;
    rejectReady = reject;
  });

  function start(): { exited: Promise<string>; cannotStart: Promise<boolean> } {
    const started = spawn(spec.command, spec.args, {
      env: spec.env,
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    child = started;
    // Only its end matters: that tells the child to stop.
    started.stdin?.on("error", () => {});
    for (const output of [started.stdout, started.stderr]) {
      if (output) createInterface({ input: output }).on("line", (line) => events.log(spec.name, line));
    }
    createInterface({ input: started.stdio[3] as Readable }).on("line", (line) => {
      if (wasReady) events.say(`${spec.name} is back`);
      wasReady = true;
      resolveReady(JSON.parse(line) as Record<string, unknown>);
    });
    const exit = once(started, "exit").catch((error: Error) => [error.message, null]);
    return {
      exited: exit.then(([code, signal]) => (signal ? `was killed by ${signal}` : `ended with ${code}`)),
      cannotStart: exit.then(([code]) => code === exitCannotStart),
    };
  }

  async function keepAlive(): Promise<void> {
    let delay = restartFirstMs;
    while (!stopping) {
      const since = Date.now();
      const { exited, cannotStart } = start();
      const how = await exited;
      child = null;
      if (stopping) return;
      if (!wasReady || (await cannotStart)) {
        rejectReady(new Error(`${spec.name} ${how} before it was ready`));
        if (!wasReady) return;
      }
      delay = Date.now() - since > steadyMs ? restartFirstMs : Math.min(delay * 2, restartLongestMs);
      events.say(`${spec.name} ${how}; starting it again${delay >= 1_000 ? ` in ${delay / 1000} s` : ""}`);
      await pause(delay, undefined, { signal: wake.signal }).catch(() => {});
    }
  }

  const running = keepAlive();
  return {
    ready,
    pid: () => child?.pid,
    async stop() {
      stopping = true;
      wake.abort();
      const current = child;
      current?.stdin?.end();
      const late = pause(stopTimeoutMs, "late" as const, { ref: false });
      if ((await Promise.race([running, late])) === "late") {
        events.say(`${spec.name} did not stop within ${stopTimeoutMs / 1000} s and is killed`);
        current?.kill("SIGKILL");
        await running;
      }
    },
  };
}
