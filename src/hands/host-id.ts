import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const shape = /^host_[A-Za-z0-9]{1,100}$/;

/** Who this host is, wherever it is reached: made at its first start, and kept beside its workspaces. */
export function hostIdOf(dataDir: string): string {
  const path = join(dataDir, "host-id");
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(path)) make(path);
  const id = readFileSync(path, "utf8").trim();
  if (!shape.test(id)) throw new Error(`${path} holds no host id: remove it, and a new one is made`);
  return id;
}

/** It is there whole or not at all, and the first one stays. */
function make(path: string): void {
  const part = `${path}.${process.pid}`;
  try {
    writeFileSync(part, `host_${randomBytes(12).toString("hex")}\n`, { mode: 0o644, flush: true });
    linkSync(part, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(part, { force: true });
  }
}
