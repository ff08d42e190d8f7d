import { closeSync, writeSync } from "node:fs";

/**
 * The child's side of `drover up`. A supervised child leaves SIGINT and SIGTERM, which reach the whole group, to `up`;
 * it is told to stop by the end of its stdin, which also comes when `up` is killed. It reports on descriptor 3 when
 * it is ready.
 */
export interface Lifetime {
  /** Resolves when the process is to stop. */
  stopped: Promise<void>;
  /** Says once that the process does its work. */
  reportReady(facts: Record<string, unknown>): void;
}

const reportFd = 3;

/** Exit code of a start that failed for a reason that starting again cannot mend. */
export const exitCannotStart = 78;

export function lifetime(title: string, supervised: boolean): Lifetime {
  process.title = title;
  const stopped = new Promise<void>((resolve) => {
    if (supervised) {
      process.stdin.resume();
      process.stdin.on("end", resolve);
      process.stdin.on("error", () => resolve());
    }
    let signals = 0;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
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
    reportReady(facts) {
      if (!supervised) return;
      writeSync(reportFd, `${JSON.stringify(facts)}\n`);
      closeSync(reportFd);
    },
  };
}

/** Gives up root for good. Everything that only root can read has to be loaded before. */
export function dropPrivileges({ uid, gid }: { uid: number; gid: number }): void {
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
