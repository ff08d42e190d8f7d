import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { Sandbox } from "./driver.ts";
import type { Mounts } from "./mounts/mounts.ts";
import { plainSpec } from "./plain-spec.ts";
import type { SandboxSpec } from "./wire.ts";

/** Small enough that a test reaches every limit. */
export const testSpec: SandboxSpec = {
  ...plainSpec,
  limits: {
    ...plainSpec.limits,
    processes: 64,
    memory_bytes: 256 << 20,
    tmp_bytes: 4 << 20,
    file_bytes: 16 << 20,
  },
};

/** Of a host on which nothing can be mounted. */
export const nothingMounted: Mounts = {
  put: () => Promise.reject(new Error("nothing can be mounted")),
  has: () => true,
  mount: () => Promise.reject(new Error("nothing can be mounted")),
  forget: (_id, remove) => remove(),
};

export interface TestFolder {
  path: string;
  remove(): void;
}

/** Passable for the users of sandboxes. */
export function testFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), "drover-hands-"));
  chmodSync(path, 0o711);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function runIn(
  sandbox: Sandbox,
  argv: string[],
  stdin = "",
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const process = await sandbox.spawn(argv, { control: false });
  process.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([buffer(process.stdout), buffer(process.stderr)]);
  return { code: await process.exited, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** Runs a script; its trimmed stdout. */
export async function sh(sandbox: Sandbox, script: string): Promise<string> {
  return (await runIn(sandbox, ["bash", "-c", script])).stdout.trim();
}
