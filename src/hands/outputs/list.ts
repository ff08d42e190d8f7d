import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, lstatSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { limits } from "../../limits.ts";
import { namesIn, place } from "../checkpoints/scan.ts";
import type { Output, OutputsList } from "../wire.ts";
import { foreign, isGone, type OutputsFolder, openFolder, versionOf } from "./open.ts";

export interface ListBounds {
  files: number;
  entries: number;
  depth: number;
  path_bytes: number;
  file_bytes: number;
  bytes: number;
}

export const listBounds: ListBounds = {
  files: limits.outputs_files_max,
  entries: limits.outputs_entries_max,
  depth: limits.outputs_depth_max,
  path_bytes: limits.outputs_path_bytes_max,
  file_bytes: limits.file_bytes_max,
  bytes: limits.outputs_bytes_max,
};

/** Entries between two looks at what else there is to do. */
const stride = 128;

/**
 * What lies beneath the folder and has not changed for `rest_ms`, or for longer where it is large. Whoever writes there may want to trick us: no link is
 * followed, names are looked up in folders that are held open, and there is an end to everything.
 */
export async function listOutputs(
  root: OutputsFolder,
  { rest_ms, bounds = listBounds }: { rest_ms: number; bounds?: ListBounds },
): Promise<OutputsList> {
  const files: Output[] = [];
  const left_out: OutputsList["left_out"] = [];
  let left_out_count = 0;
  let entries = 0;
  let bytes = 0;
  let rest = true;

  function leaveOut(path: string, why: string): void {
    left_out_count += 1;
    if (left_out.length < limits.outputs_left_out_max) left_out.push({ path, why });
  }

  async function folder(at: Buffer | string, path: string, depth: number): Promise<void> {
    const fd = openFolder(at);
    try {
      const { names, more } = namesIn(fd, bounds.entries - entries);
      entries += names.length;
      for (const [n, name] of names.entries()) {
        if (n % stride === stride - 1) await setImmediate();
        await entry(fd, name, { path, depth });
      }
      if (more) leaveOut(printable(path === "" ? "." : path), "there is too much in this folder");
    } finally {
      closeSync(fd);
    }
  }

  async function entry(fd: number, name: Buffer, above: { path: string; depth: number }): Promise<void> {
    const shown = above.path === "" ? printable(name) : `${above.path}/${printable(name)}`;
    try {
      const at = place(fd, name);
      const stats = lstatSync(at, { bigint: true });
      const text = textOf(name);
      if (text === null) return leaveOut(shown, "its name is not valid UTF-8, or holds control characters");
      const path = above.path === "" ? text : `${above.path}/${text}`;
      const why = Buffer.byteLength(path) > bounds.path_bytes ? "its path is too long" : wrong(stats);
      if (why !== null) leaveOut(shown, why);
      else if (!stats.isDirectory()) file(path, stats);
      else if (above.depth === bounds.depth) leaveOut(shown, "it lies too deep");
      else await folder(at, path, above.depth + 1);
    } catch (error) {
      if (!isGone(error)) throw error;
      if (isClosed(error)) leaveOut(shown, "it cannot be read");
    }
  }

  function wrong(stats: BigIntStats): string | null {
    if (stats.isSymbolicLink()) return "it is a link";
    if (!stats.isFile() && !stats.isDirectory()) return "it is no regular file";
    return foreign(stats, root);
  }

  function file(path: string, stats: BigIntStats): void {
    const age_ms = Date.now() - Number(stats.ctimeMs);
    const restless_ms = rest_ms * (1 + Number(stats.size) / limits.outputs_rest_bytes);
    if (stats.size > BigInt(bounds.file_bytes)) {
      leaveOut(path, `it is larger than ${bounds.file_bytes >> 20} MB`);
    } else if (age_ms < restless_ms && age_ms >= -limits.outputs_look_ms) {
      // Of a time to come it is where the clock was moved: that one is not waited for.
      rest = false;
    } else if (files.length === bounds.files) {
      leaveOut(path, `there are more than ${bounds.files} files`);
    } else if (bytes + Number(stats.size) > bounds.bytes) {
      leaveOut(path, `all files together are larger than ${Math.floor(bounds.bytes / 2 ** 20)} MB`);
    } else {
      bytes += Number(stats.size);
      files.push({
        path,
        bytes: Number(stats.size),
        version: versionOf(stats),
        written_at_ms: timeOf(stats),
      });
    }
  }

  await folder(root.path, "", 0);
  const told = { files, left_out, left_out_count };
  const isEmpty = files.length === 0 && left_out_count === 0;
  return { state: isEmpty ? nothing : stateOf(told), ...told, rest };
}

/** Whoever writes a file may say that it was at any time, which some file systems keep however far away it is. */
const timeOf = ({ mtimeMs }: BigIntStats): number =>
  Math.min(Math.max(Number(mtimeMs), -limits.outputs_time_ms_max), limits.outputs_time_ms_max);

/** The state of a folder in which there is nothing. */
export const nothing = "nothing";

export const emptyList: OutputsList = {
  state: nothing,
  files: [],
  left_out: [],
  left_out_count: 0,
  rest: true,
};

const stateOf = (told: Omit<OutputsList, "state" | "rest">) =>
  createHash("sha256").update(JSON.stringify(told)).digest("hex").slice(0, 32);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(name: Buffer): string | null {
  try {
    const text = utf8.decode(name);
    return /\p{Cc}/u.test(text) ? null : text;
  } catch {
    return null;
  }
}

const printable = (name: Buffer | string): string => name.toString("utf8").replace(/\p{Cc}/gu, "\u{fffd}");

const isClosed = (error: unknown): boolean =>
  ["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
