import { spawnSync } from "node:child_process";

const lockedByAnother = 1;

/**
 * Whether the lock of an open file is had from now on. It belongs to the open file, so it stays when the program that takes
 * it for us ends, and is free when whoever has the file open has ended, however that ends.
 */
export function tryLock(fd: number): boolean {
  const { status, error, stderr } = spawnSync("flock", ["--exclusive", "--nonblock", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    encoding: "utf8",
  });
  if (error) throw new Error("the program flock is missing: install the package util-linux");
  if (status !== 0 && status !== lockedByAnother) throw new Error(`flock failed: ${stderr.trim()}`);
  return status === 0;
}
