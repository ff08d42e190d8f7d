import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { tryLock } from "../net/file-lock.ts";

export interface DataDirLock {
  /** Whoever holds this descriptor holds the lock; it is free when the last one has ended, however that ends. */
  fd: number;
  release(): void;
}

export interface LockOptions {
  /** The program that works on it, for people. */
  program?: string;
  /** Called when an earlier one is gone and its children are not yet. */
  onWait(): void;
  wait_ms?: number;
  signal?: AbortSignal;
}

/** Makes this process, and the children that get the descriptor, the only ones to work on a data directory. */
export async function lockDataDir(
  dataDir: string,
  { program = "drover up", ...options }: LockOptions,
): Promise<DataDirLock> {
  const path = join(dataDir, "lock");
  const fd = openSync(path, "a+", 0o600);
  try {
    const deadline = Date.now() + (options.wait_ms ?? 30_000);
    for (let attempt = 0; !tryLock(fd); attempt += 1) {
      const holder = Number(readFileSync(path, "utf8"));
      if (isAlive(holder)) throw new Error(`another ${program} (pid ${holder}) already runs on ${dataDir}`);
      if (Date.now() > deadline) {
        throw new Error(
          `processes of an earlier ${program} still run on ${dataDir}; end them (see: fuser ${path})`,
        );
      }
      // The first look may have come before the holder had written its pid.
      if (attempt === 1) options.onWait();
      await pause(100, undefined, { signal: options.signal });
    }
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, release: () => closeSync(fd) };
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
