import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const shape = /^host_[A-Za-z0-9]{1,100}$/;

/** Who this host is, wherever it is reached: made at its first start, and kept beside its workspaces. */
export function hostIdOf(dataDir: string): string {
  const path = join(dataDir, "host-id");
  mkdirSync(dataDir, { recursive: true });
  try {
    writeFileSync(path, `host_${randomBytes(12).toString("hex")}\n`, {
      mode: 0o644,
      flag: "wx",
      flush: true,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const id = readFileSync(path, "utf8").trim();
  if (!shape.test(id)) throw new Error(`${path} holds no host id: remove it, and a new one is made`);
  return id;
}
