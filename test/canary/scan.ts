import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliDecompressSync, constants, inflateSync, unzipSync, zstdDecompressSync } from "node:zlib";
import type { Canaries } from "./secrets.ts";

/** Somebody's secret, where it should not be. */
export interface Finding {
  /** The kind of place that was looked at, and which one of that kind. */
  place: string;
  where: string;
  /** `name, spelling`. */
  what: string;
}

export interface Scanner {
  findings: Finding[];
  /** Those that were looked at. */
  places: Set<string>;
  /** Looks through bytes, and through what is packed in them. */
  bytes(place: string, where: string, bytes: Buffer): void;
  text(place: string, where: string, text: string): void;
  /** Every file below a folder, links and sockets left out. */
  folder(place: string, folder: string, isLeftOut?: (path: string) => boolean): void;
  /** All that a process can write to. */
  memory(place: string, pid: number, name: string): void;
  /** What others see of a process, or what root does. */
  process(place: string, pid: number, name: string): void;
}

const unpackedMax = 64 << 20;
const chunk = 8 << 20;
/** Longer than any spelling of any secret. */
const overlap = 4_096;

export function createScanner(canaries: Canaries): Scanner {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const places = new Set<string>();

  function look(place: string, where: string, bytes: Buffer): void {
    places.add(place);
    for (const what of canaries.in(bytes)) {
      const key = JSON.stringify([place, where, what]);
      if (!seen.has(key)) findings.push({ place, where, what });
      seen.add(key);
    }
  }

  const scanner: Scanner = {
    findings,
    places,
    bytes(place, where, bytes) {
      look(place, where, bytes);
      for (const unpacked of packedIn(bytes)) {
        look(place, `${where}, unpacked`, unpacked);
        for (const inner of packedIn(unpacked)) look(place, `${where}, unpacked twice`, inner);
      }
    },
    text: (place, where, text) => scanner.bytes(place, where, Buffer.from(text)),
    folder(place, folder, isLeftOut = () => false) {
      for (const path of filesBelow(folder)) {
        if (isLeftOut(path)) continue;
        const where = path.slice(folder.length + 1);
        look(place, where, Buffer.from(where));
        const bytes = readAll(path);
        if (bytes) scanner.bytes(place, where, bytes);
      }
    },
    memory(place, pid, name) {
      for (const { start, end } of segmentsOf(pid)) {
        const file = openSync(`/proc/${pid}/mem`, "r");
        try {
          for (let at = start; at < end; at += chunk) {
            const bytes = Buffer.alloc(Math.min(chunk + overlap, end - at));
            const read = readSync(file, bytes, 0, bytes.length, at);
            look(place, name, bytes.subarray(0, read));
          }
        } catch {
          // Mapped, and not there; or the process has ended.
        } finally {
          closeSync(file);
        }
      }
    },
    process(place, pid, name) {
      for (const file of ["environ", "cmdline", "comm"]) {
        const bytes = readAll(`/proc/${pid}/${file}`);
        if (bytes) look(place, `${name}: ${file}`, bytes);
      }
    },
  };
  return scanner;
}

export function* filesBelow(folder: string): Generator<string> {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of entries) {
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) yield* filesBelow(path);
    else if (found?.isFile()) yield path;
  }
}

/** Null for what is gone meanwhile. */
function readAll(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** What some program may have packed, wherever it begins: gzip, zlib as git has it, and zstd; brotli only as a whole. */
function* packedIn(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > unpackedMax) return;
  const beginnings = [
    { mark: Buffer.from([0x1f, 0x8b, 0x08]), unpack: (from: Buffer) => unzipSync(from, loose) },
    { mark: Buffer.from([0x78, 0x01]), unpack: (from: Buffer) => inflateSync(from, loose) },
    { mark: Buffer.from([0x78, 0x9c]), unpack: (from: Buffer) => inflateSync(from, loose) },
    { mark: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), unpack: (from: Buffer) => zstdDecompressSync(from) },
  ];
  for (const { mark, unpack } of beginnings) {
    let tries = 0;
    for (let at = bytes.indexOf(mark); at !== -1 && tries < 2_000; at = bytes.indexOf(mark, at + 1)) {
      tries += 1;
      const unpacked = unpackedBy(() => unpack(bytes.subarray(at)));
      if (unpacked) yield unpacked;
    }
  }
  const unpacked = bytes.length < 1 << 20 && unpackedBy(() => brotliDecompressSync(bytes));
  if (unpacked) yield unpacked;
}

const loose = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: unpackedMax };

function unpackedBy(unpack: () => Buffer): Buffer | null {
  try {
    return unpack();
  } catch {
    return null;
  }
}

/** Those that can be written: what a program has read is nowhere else. */
function segmentsOf(pid: number): { start: number; end: number }[] {
  const maps = readAll(`/proc/${pid}/maps`)?.toString() ?? "";
  return maps.split("\n").flatMap((line) => {
    const [, start = "", end = "", , name = ""] = /^(\w+)-(\w+) (rw..) .{17,}?\s*(\S*)$/.exec(line) ?? [];
    if (start === "" || /^\[v/.test(name)) return [];
    return [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) }];
  });
}

/**
 * Of processes whose arguments or whose mounts name it: some have left their family. Paths of mounts begin at the root of
 * their disk, so only the folder's own name, which nothing else has, is in all of them.
 */
export const processesOf = (folder: string): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      [`cmdline`, `mountinfo`].some((file) => readAll(`/proc/${pid}/${file}`)?.includes(basename(folder))),
    )
    .map(Number);

export const commandOf = (pid: number): string =>
  (readAll(`/proc/${pid}/cmdline`)?.toString() ?? "").replaceAll("\0", " ").trim();

export function sameNamespace(a: number, b: number, kind: string): boolean {
  try {
    return readlinkSync(`/proc/${a}/ns/${kind}`) === readlinkSync(`/proc/${b}/ns/${kind}`);
  } catch {
    return true;
  }
}
