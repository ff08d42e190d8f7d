import { writeFileSync } from "node:fs";
import { Duplex, type Readable } from "node:stream";
import { limits } from "../../limits.ts";

/** The first process of what bwrap begins, whose end is the end of all others there. By its pid on the host. */

/** From what bwrap says on its status descriptor. Never resolves when bwrap fails before it has one. */
export function firstPid(status: Readable): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    status.on("data", (chunk) => {
      text += chunk;
      const found = /"child-pid": *(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
  });
}

/** False when it is gone. */
export function killed(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** Where memory is short the kernel ends a sandbox before a server. Written by root, no sandbox takes it back. */
export function makeVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(limits.sandbox_oom_score));
  } catch (error) {
    // It is gone; or it is not root's to say, and the sandbox's first process says it of itself.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ESRCH" && code !== "EACCES" && code !== "EPERM") throw error;
  }
}

const bytesKept = 4_096;

/** The end of what is said there; once the program has ended, as soon as nothing more can come of it. */
export function lastSaid(errors: Readable): { whole(): Promise<string> } {
  let said = "";
  errors.on("data", (chunk) => {
    said = (said + chunk).slice(-bytesKept);
  });
  const over = new Promise<void>((resolve) => errors.once("close", resolve));
  return {
    async whole() {
      // What it has begun may outlive it, and hold its stderr open.
      const late = new Promise<void>((resolve) => setTimeout(resolve, limits.sandbox_last_words_ms).unref());
      await Promise.race([over, late]);
      return said.trim();
    },
  };
}

/** One of the pipes that a sandbox was begun with. */
export function duplex(stream: unknown): Duplex {
  if (!(stream instanceof Duplex)) throw new Error("a sandbox was begun without its pipes");
  return stream;
}
