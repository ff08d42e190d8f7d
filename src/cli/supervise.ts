import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { ChildReport } from "./child.ts";

export interface ChildSpec {
  /** `serve`, `hands`: for people. */
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** A descriptor that the child keeps open for as long as it lives. */
  holds?: number;
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

export interface SuperviseTimes {
  restart_first_ms: number;
  restart_longest_ms: number;
  /** One that has lived this long is not in a crash loop. */
  steady_ms: number;
  stop_ms: number;
}

const defaultTimes: SuperviseTimes = {
  restart_first_ms: 100,
  restart_longest_ms: 5_000,
  steady_ms: 10_000,
  stop_ms: 15_000,
};

/** Keeps a child alive: one that dies is back within a second, one that keeps dying every few seconds. */
export function supervise(
  spec: ChildSpec,
  events: SuperviseEvents,
  times: SuperviseTimes = defaultTimes,
): Supervised {
  let child: ChildProcess | null = null;
  let stopping = false;
  const wake = new AbortController();
  const first = Promise.withResolvers<Record<string, unknown>>();
  // Whoever waits for it hears of it; whoever has stopped waiting need not.
  first.promise.catch(() => {});
  let wasReady = false;

  function ready(facts: Record<string, unknown>): void {
    if (wasReady) events.say(`${spec.name} is back`);
    wasReady = true;
    first.resolve(facts);
  }

  /** Runs it once. Resolves with how it ended. */
  async function run(): Promise<string> {
    const started = spawn(spec.command, spec.args, {
      env: spec.env,
      stdio: ["pipe", "pipe", "pipe", "pipe", ...(spec.holds === undefined ? [] : [spec.holds])],
    });
    child = started;
    // Only its end matters: that tells the child to stop.
    started.stdin?.on("error", () => {});
    for (const output of [started.stdout, started.stderr]) {
      if (output) createInterface({ input: output }).on("line", (line) => events.log(spec.name, line));
    }
    let failed: string | null = null;
    const reports = createInterface({ input: started.stdio[3] as Readable });
    reports.on("line", (line) => {
      const report = JSON.parse(line) as ChildReport;
      if ("ready" in report) ready(report.ready);
      else failed = report.failed;
    });
    const reportsEnded = once(reports, "close");
    try {
      const [code, signal] = await once(started, "exit");
      await reportsEnded;
      return failed ?? (signal ? `was killed by ${signal}` : `ended with ${code}`);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      child = null;
    }
  }

  async function keepAlive(): Promise<void> {
    let delay = times.restart_first_ms;
    while (!stopping) {
      const since = Date.now();
      const how = await run();
      if (stopping) return;
      if (!wasReady) {
        first.reject(new Error(`${spec.name}: ${how}`));
        return;
      }
      const steady = Date.now() - since > times.steady_ms;
      delay = steady ? times.restart_first_ms : Math.min(delay * 2, times.restart_longest_ms);
      events.say(`${spec.name}: ${how}; starting it again${delay >= 1_000 ? ` in ${delay / 1000} s` : ""}`);
      await pause(delay, undefined, { signal: wake.signal }).catch(() => {});
    }
  }

  const running = keepAlive();
  return {
    ready: first.promise,
    pid: () => child?.pid,
    async stop() {
      stopping = true;
      wake.abort();
      const current = child;
      current?.stdin?.end();
      const late = pause(times.stop_ms, "late" as const, { ref: false });
      if ((await Promise.race([running, late])) === "late") {
        events.say(`${spec.name} did not stop within ${times.stop_ms / 1000} s and is killed`);
        current?.kill("SIGKILL");
        await running;
      }
    },
  };
}
