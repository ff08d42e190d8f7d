import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ExecuteRequest } from "./client.ts";
import { type TestFolder, testSpec } from "./testing.ts";
import type { ExecuteResult, Operation } from "./wire.ts";

type Finished = Extract<ExecuteResult, { status: "finished" }>;

let calls = 0;
export const shell = (command: string): Operation => ({ type: "shell", command });
export const exec = (...argv: string[]): Operation => ({ type: "exec", argv, stdin_base64: "" });

export function request(
  name: string,
  operation: Operation,
  more: Partial<ExecuteRequest> = {},
): ExecuteRequest {
  return {
    session_id: `sesn_${name}`,
    sandbox_id: `sbx_${name}`,
    epoch: 1,
    call_id: `call_${calls++}`,
    spec: testSpec,
    restore: false,
    mounts: 0,
    restore_known: null,
    operation,
    timeout_ms: 30_000,
    output_bytes: 100_000,
    keep_output_as: null,
    begun_seq: null,
    ...more,
  };
}

export const never = new AbortController().signal;
export const textOf = (result: ExecuteResult) =>
  Buffer.from(finished(result).output_base64, "base64").toString();

export function finished(result: ExecuteResult): Finished {
  if (result.status !== "finished") assert.fail(JSON.stringify(result));
  return result;
}

/** Resolves when the sandbox has made that file in its workspace. */
export async function appears(path: string): Promise<void> {
  while (!existsSync(path)) await delay(5);
}

/** Names of the processes that run in a sandbox. They are told by its mounts, whose paths begin at the root of its disk. */
export function processesIn(id: string, folder: TestFolder): string[] {
  const found = readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      const mounts = readProc(pid, "mountinfo");
      return mounts.includes(`/${basename(folder.path)}/sandboxes/${id}/workspace`)
        ? readProc(pid, "comm").trim()
        : "";
    });
  return found.filter((name) => name !== "" && name !== "bwrap").sort();
}

/** Empty for a process that has ended. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

export async function gone(id: string, folder: TestFolder): Promise<void> {
  while (processesIn(id, folder).length > 0) await delay(5);
}
