import { addAbortSignal, type Readable } from "node:stream";
import { failpoint } from "../failpoints.ts";
import { limits } from "../limits.ts";
import {
  type Answer,
  type HostConnection,
  type SandboxOrigin,
  type SandboxScope,
  StaleEpoch,
  type Unanswered,
  Undecided,
} from "./client.ts";
import { turns } from "./turns.ts";
import type { MountList } from "./wire.ts";

/** Where it is known what sessions mount, and from where the contents come. */
export interface MountSource {
  /** What the session mounts now. */
  listMounts(session_id: string): Promise<MountList>;
  /** Content from byte `start` up to and without byte `end`. */
  openContent(sha256: string, range: { start: number; end: number }): Promise<Readable>;
}

interface BringOptions {
  source: MountSource;
  signal: AbortSignal;
  trouble(message: string, error: unknown): void;
}

/** No session mounts anything. */
export const noMounts: MountSource = {
  listMounts: async () => ({ version: 0, mounts: [] }),
  openContent: () => Promise.reject(new Error("there are no contents")),
};

/** How it ended: the sandbox has what the session mounts, the host did not answer, or it cannot have it now. */
export type Brought = "brought" | Unanswered | NoMounts;

export interface NoMounts {
  status: "unavailable";
  reason: string;
}

interface Content {
  sha256: string;
  bytes: number;
  /** Of one of the files that hold it. */
  path: string;
  /** How many `bytes` of it the host has. */
  received: number;
}

/** Brings hosts what sessions mount. */
export interface Mounting {
  /**
   * Has a host give the sandbox what its session mounts, `mounts` or newer, and sends it the contents that it lacks. Whatever
   * breaks it off, it goes on from there when it is asked again.
   */
  bring(
    host: HostConnection,
    to: SandboxScope & Pick<SandboxOrigin, "mounts">,
    signal: AbortSignal,
  ): Promise<Brought>;
}

export function createMounting(options: Pick<BringOptions, "source" | "trouble">): Mounting {
  /** For each sandbox one after the other: who comes later finds there what was brought. */
  const inTurn = turns();
  return {
    bring: (host, { session_id, sandbox_id, epoch, mounts }, signal) =>
      inTurn(sandbox_id, () =>
        bringMounts(host, { session_id, sandbox_id, epoch }, mounts, { ...options, signal }),
      ),
  };
}

async function bringMounts(
  host: HostConnection,
  scope: SandboxScope,
  version: number,
  options: BringOptions,
): Promise<Brought> {
  if (options.signal.aborted) return unavailable(interrupted);
  const list = await options.source.listMounts(scope.session_id).catch((error: unknown) => {
    throw new Undecided("what the session mounts could not be read", { cause: error });
  });
  if (list.version < version)
    throw new Undecided(`version ${version} of what the session mounts is not in the database`);
  const contents = new Map(list.mounts.map(({ sha256, bytes, path }) => [sha256, { sha256, bytes, path }]));
  // What was sent may be gone again before all of it was there, but not each time.
  for (let round = 0; round < limits.mount_rounds_max; round += 1) {
    const answer = await askToMount(host, scope, list);
    if (typeof answer === "string" || "status" in answer) return answer;
    if (answer.missing.length === 0) {
      failpoint("mounts_brought");
      return "brought";
    }
    const missing = answer.missing.flatMap(({ sha256, received }) => {
      const content = contents.get(sha256);
      return content ? [{ ...content, received }] : [];
    });
    const broken = await sendAll(host, missing, options);
    if (broken) return broken;
  }
  return notKept;
}

async function askToMount(
  host: HostConnection,
  scope: SandboxScope,
  list: MountList,
): Promise<Answer<"mounted"> | Unanswered | NoMounts> {
  try {
    return await host.ask({ type: "mount", ...scope, ...list }, "mounted");
  } catch (error) {
    if (error instanceof StaleEpoch) throw error;
    return unavailable(`what the session mounts could not be mounted: ${messageOf(error)}`);
  }
}

/** Several at a time, for most are small; the first that cannot be sent ends it. */
async function sendAll(
  host: HostConnection,
  missing: Content[],
  options: BringOptions,
): Promise<Brought | null> {
  const waiting = [...missing];
  let broken: Brought | null = null;
  async function sendSome(): Promise<void> {
    for (let next = waiting.shift(); next && !broken; next = waiting.shift())
      broken = (await send(host, next, options)) ?? broken;
  }
  await Promise.all(Array.from({ length: limits.blobs_sent_parallel_max }, sendSome));
  return broken;
}

async function send(host: HostConnection, content: Content, options: BringOptions): Promise<Brought | null> {
  const { bytes, path } = content;
  let { received } = content;
  try {
    // The host begins anew with what was lost, or was something else when all of it was there.
    for (let tries = 0; tries < limits.mount_rounds_max; tries += 1) {
      const now = await sendFrom(received, host, content, options);
      if (typeof now === "string") return now;
      if (now === bytes) return null;
      received = now;
    }
    throw new Error("what arrived there is not what was sent");
  } catch (error) {
    if (options.signal.aborted) return unavailable(interrupted);
    if (error instanceof Unreadable) {
      options.trouble(`the content of ${path} could not be read from the file store`, error.cause);
      return unavailable(error.message);
    }
    return unavailable(`${path} could not be brought to the sandbox: ${messageOf(error)}`);
  }
}

/** How many bytes of it the host has in the end. */
async function sendFrom(
  start: number,
  host: HostConnection,
  content: Content,
  options: BringOptions,
): Promise<number | Unanswered> {
  const { sha256, bytes } = content;
  async function put(offset: number, data: Buffer): Promise<number | Unanswered> {
    const data_base64 = data.toString("base64");
    const answer = await host.ask({ type: "put_blob", sha256, bytes, offset, data_base64 }, "blob");
    return typeof answer === "string" ? answer : answer.received;
  }
  // All of it may be there without anybody having looked what it is: a host can die between the two.
  if (start === bytes) return put(bytes, Buffer.alloc(0));
  let at = start;
  let received = start;
  for await (const piece of piecesOf(open(content, start, options))) {
    // Another brain may send it too.
    const fresh = piece.subarray(Math.max(0, received - at));
    at += piece.length;
    if (fresh.length === 0) continue;
    const now = await put(at - fresh.length, fresh);
    if (typeof now === "string") return now;
    received = now;
    if (received < at) break;
  }
  return received;
}

/** Without what the store says of it: agents and clients read it. */
class Unreadable extends Error {
  constructor(path: string, cause: unknown) {
    super(`${path} could not be read from the server's file store; try again later`, { cause });
  }
}

async function* open(
  { sha256, bytes, path }: Content,
  start: number,
  { source, signal }: BringOptions,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  let at = start;
  try {
    const content = await source.openContent(sha256, { start, end: bytes });
    for await (const chunk of addAbortSignal(signal, content)) {
      at += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw new Unreadable(path, error);
  }
  if (at < bytes) throw new Unreadable(path, new Error(`it ended after ${at} of ${bytes} bytes`));
}

/** The same in pieces of the size that one message takes. */
async function* piecesOf(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const size = limits.blob_piece_bytes;
  let begun: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    begun.push(chunk);
    bytes += chunk.length;
    if (bytes < size) continue;
    const whole = Buffer.concat(begun);
    let at = 0;
    for (; whole.length - at >= size; at += size) yield whole.subarray(at, at + size);
    begun = [whole.subarray(at)];
    bytes = whole.length - at;
  }
  if (bytes > 0) yield Buffer.concat(begun);
}

/** What becomes of a call whose host says again and again that it lacks what it has just been brought. */
export const notKept: NoMounts = {
  status: "unavailable",
  reason: "the sandbox host keeps nothing of what the session mounts; try again later",
};

const interrupted = "it was interrupted while what the session mounts was brought to the sandbox";

const unavailable = (reason: string): NoMounts => ({ status: "unavailable", reason });

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
