import { closeSync, writeSync } from "node:fs";
import { closedFolder } from "./machine.ts";

/** What a child writes to descriptor 3, once. */
export type ChildReport = { ready: Record<string, unknown> } | { failed: string };

/**
 * The child's side of `drover up`. A supervised child leaves signals, which reach the whole group, to `up`; it is told
 * to stop by the end of its stdin, which also comes when `up` is killed.
 */
export interface Lifetime {
  /** Resolves when the process is to stop. */
  stopped: Promise<void>;
  /** Says once that the process does its work. */
  reportReady(facts: Record<string, unknown>): void;
  /** Says in one line why it cannot, and ends the process. */
  fail(why: string): never;
}

const reportFd = 3;

export function lifetime(title: string, supervised: boolean): Lifetime {
  process.title = title;
  let reported = false;
  const report = (what: ChildReport) => {
    if (!supervised || reported) return;
    reported = true;
    writeSync(reportFd, `${JSON.stringify(what)}\n`);
    closeSync(reportFd);
  };
  const stopped = new Promise<void>((resolve) => {
    if (supervised) {
      process.stdin.resume();
      process.stdin.on("end", resolve);
      process.stdin.on("error", () => resolve());
    }
    let signals = 0;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (supervised) return;
        signals += 1;
        if (signals > 1) process.exit(130);
        resolve();
      });
    }
  });
  return {
    stopped,
    reportReady: (facts) => report({ ready: facts }),
    fail(why) {
      if (!supervised) process.stderr.write(`${title}: ${why}\n`);
      report({ failed: why });
      process.exit(1);
    },
  };
}

/**
 * Gives up root for good. Everything that only root can read has to be loaded before: where only root may pass to the
 * program's files, `loadLate` loads what otherwise waits until it is needed. What a file has imported once is not
 * looked for again when the same file imports it by the same name.
 */
export async function dropPrivileges(
  { uid, gid }: { uid: number; gid: number },
  loadLate: () => Promise<unknown>,
): Promise<void> {
  if (closedFolder(import.meta.dirname) !== null) await loadLate();
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  let back = false;
  try {
    process.setuid?.(0);
    back = process.getuid?.() === 0;
  } catch {
    // As it should be.
  }
  if (back) throw new Error("root rights could not be given up");
}
