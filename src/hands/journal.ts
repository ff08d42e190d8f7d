import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { syncFolder } from "./blobs/disk.ts";
import { type ExecuteResult, executeResult } from "./wire.ts";

/**
 * What a session's calls came to, on disk before anyone is told: one JSON object a line, synced. A call is `started`
 * before its command runs and `finished` with its result; one that was only started when this process began is lost,
 * for its sandbox ended with the process before.
 */
export interface Journal {
  /** The highest lease epoch seen. */
  epoch(): number;
  raiseEpoch(epoch: number): Promise<void>;
  find(call: Call): Promise<KeptCall>;
  started(call: Call, options: { shell: boolean }): Promise<void>;
  finished(call: Call, result: ExecuteResult): Promise<void>;
  /** Whether a call has ever used the shell of that sandbox. */
  usedShell(sandboxId: string): boolean;
  /** Drops what is of that sandbox, but for the calls that have begun and not finished. */
  clear(sandboxId: string): Promise<void>;
  close(): Promise<void>;
}

export interface Call {
  sandbox_id: string;
  call_id: string;
}

export type KeptCall =
  | { state: "never_seen" }
  | { state: "lost" }
  | { state: "finished"; result: ExecuteResult };

const call = { sandbox_id: z.string(), call_id: z.string() };
const line = z.discriminatedUnion("type", [
  z.object({ type: z.literal("epoch"), epoch: z.int() }),
  z.object({ type: z.literal("used_shell"), sandbox_id: z.string() }),
  z.object({ type: z.literal("started"), ...call }),
  z.object({ type: z.literal("finished"), ...call, result: executeResult }),
]);
type Line = z.infer<typeof line>;

/** Where a finished line lies in the file, in `bytes`; null for a call that was only started. */
type Place = { at: number; length: number } | null;

interface State {
  epoch: number;
  shells: Set<string>;
  /** In order of their latest change. */
  calls: Map<string, Place>;
}

export async function openJournal(path: string, options: { calls_kept: number }): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  let { file, state, size } = await load(path);
  /** Half a line may follow the first `size` bytes. */
  let torn = false;
  /** The folder does not have the file's new name on disk yet. */
  let renamed = false;
  let rewriteAbove = 2 * options.calls_kept;
  let waiting: { line: Line; resolve(): void; reject(error: unknown): void }[] = [];
  /** One reader or writer of the file at a time. */
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  }

  /** What waits is written and synced together. */
  function append(line: Line): Promise<void> {
    return new Promise((resolve, reject) => {
      waiting.push({ line, resolve, reject });
      if (waiting.length === 1) inTurn(flush);
    });
  }

  async function flush(): Promise<void> {
    const batch = waiting;
    waiting = [];
    const encoded = batch.map((item) => encode(item.line));
    try {
      await mend();
      torn = true;
      await file.appendFile(Buffer.concat(encoded));
      await file.datasync();
      torn = false;
    } catch (error) {
      await mend().catch(() => {});
      for (const item of batch) item.reject(error);
      return;
    }
    for (const [n, { line, resolve }] of batch.entries()) {
      const length = encoded[n]?.length ?? 0;
      apply(state, line, { at: size, length });
      size += length;
      resolve();
    }
    if (state.calls.size <= rewriteAbove) return;
    // The longer file says the same, so it can wait.
    await rewrite(options.calls_kept).catch(() => {});
    rewriteAbove = state.calls.size + options.calls_kept;
  }

  /** Nothing is written after half a line, nor into a file that a crash could take the name from. */
  async function mend(): Promise<void> {
    if (torn) await file.truncate(size);
    torn = false;
    if (renamed) await syncFolder(dirname(path));
    renamed = false;
  }

  async function rewrite(callsKept: number, forgotten: string | null = null): Promise<void> {
    const lines: Buffer[] = [encode({ type: "epoch", epoch: state.epoch })];
    for (const sandbox_id of state.shells) {
      if (sandbox_id !== forgotten) lines.push(encode({ type: "used_shell", sandbox_id }));
    }
    for (const [key, place] of worthKeeping(callsKept, forgotten)) {
      const call = callOf(key);
      const result = place && (await readResult(place));
      lines.push(encode(result ? { type: "finished", ...call, result } : { type: "started", ...call }));
    }
    const bytes = Buffer.concat(lines);
    const fresh = await replaceFile(path, bytes);
    const old = file;
    file = fresh;
    state = fold(bytes);
    size = bytes.length;
    torn = false;
    renamed = true;
    await old.close().catch(() => {});
    await mend();
  }

  /** The newest, and however old every one that was started and has not finished: forgotten, it could run again. */
  function worthKeeping(count: number, forgotten: string | null) {
    const calls = [...state.calls];
    return calls.filter(
      ([key, place], i) =>
        place === null || (i >= calls.length - count && callOf(key).sandbox_id !== forgotten),
    );
  }

  /** Null when it is damaged. */
  async function readResult(place: { at: number; length: number }): Promise<ExecuteResult | null> {
    const buffer = Buffer.alloc(place.length);
    await file.read(buffer, 0, place.length, place.at);
    const found = line.safeParse(parseJson(buffer.toString("utf8")));
    return found.success && found.data.type === "finished" ? found.data.result : null;
  }

  async function find(call: Call): Promise<KeptCall> {
    const place = state.calls.get(keyOf(call));
    if (place === undefined) return { state: "never_seen" };
    const result = place && (await readResult(place).catch(() => null));
    return result ? { state: "finished", result } : { state: "lost" };
  }

  return {
    epoch: () => state.epoch,
    raiseEpoch: (epoch) => append({ type: "epoch", epoch }),
    find: (call) => inTurn(() => find(call)),
    async started(call, { shell }) {
      const { sandbox_id } = call;
      const first =
        shell && !state.shells.has(sandbox_id) ? [append({ type: "used_shell", sandbox_id })] : [];
      await Promise.all([...first, append({ type: "started", ...call })]);
    },
    finished: (call, result) => append({ type: "finished", ...call, result }),
    usedShell: (sandboxId) => state.shells.has(sandboxId),
    clear: (sandboxId) => inTurn(() => rewrite(options.calls_kept, sandboxId)),
    close: () => inTurn(() => file.close()),
  };
}

/** False for a file that cannot be read: it may hold a call that has not. */
export async function allCallsEnded(path: string): Promise<boolean> {
  try {
    return [...fold(await readFile(path)).calls.values()].every((place) => place !== null);
  } catch {
    return false;
  }
}

const encode = (value: Line) => Buffer.from(`${JSON.stringify(value)}\n`, "utf8");
export const keyOf = (call: Call) => JSON.stringify([call.sandbox_id, call.call_id]);

function callOf(key: string): Call {
  const [sandbox_id, call_id] = z.tuple([z.string(), z.string()]).parse(JSON.parse(key));
  return { sandbox_id, call_id };
}

function apply(state: State, change: Line, place: Place): void {
  if (change.type === "epoch") state.epoch = Math.max(state.epoch, change.epoch);
  else if (change.type === "used_shell") state.shells.add(change.sandbox_id);
  else {
    const key = keyOf(change);
    state.calls.delete(key);
    state.calls.set(key, change.type === "finished" ? place : null);
  }
}

interface Loaded {
  file: FileHandle;
  state: State;
  size: number;
}

async function load(path: string): Promise<Loaded> {
  const file = await open(path, "a+", 0o600);
  try {
    const bytes = await file.readFile();
    const whole = bytes.length === 0 || bytes.at(-1) === newline;
    if (!whole) await file.appendFile(damagedEnd);
    await syncFolder(dirname(path));
    return { file, state: fold(bytes), size: bytes.length + (whole ? 0 : damagedEnd.length) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Leaves what is there as it is unless all went well. */
async function replaceFile(path: string, bytes: Buffer): Promise<FileHandle> {
  const beside = `${path}.new`;
  await rm(beside, { force: true });
  const fresh = await open(beside, "ax+", 0o600);
  try {
    await fresh.appendFile(bytes);
    await fresh.datasync();
    await rename(beside, path);
    return fresh;
  } catch (error) {
    await fresh.close();
    throw error;
  }
}

const newline = 0x0a;
/** Makes a last line that has no end a damaged one, even if nothing but its end is missing. */
const damagedEnd = Buffer.from("\0\n");

/**
 * A line that is damaged or has no end may be one that somebody was told of: every call that it names is one that was
 * started. What else it says does not count.
 */
function fold(bytes: Buffer): State {
  const state: State = { epoch: 0, shells: new Set(), calls: new Map() };
  let at = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, at)) {
    const text = bytes.toString("utf8", at, end);
    const parsed = line.safeParse(parseJson(text));
    const changes = parsed.success ? [parsed.data] : startedIn(text);
    for (const change of changes) apply(state, change, { at, length: end + 1 - at });
    at = end + 1;
  }
  for (const change of startedIn(bytes.toString("utf8", at))) apply(state, change, null);
  return state;
}

/** Every call that can still be read, in every sandbox that can: where one id is gone, another line's stands in. */
function startedIn(text: string): Line[] {
  const started: Line[] = [];
  for (const sandbox_id of valuesOf("sandbox_id", text)) {
    for (const call_id of valuesOf("call_id", text)) started.push({ type: "started", sandbox_id, call_id });
  }
  return started;
}

function valuesOf(name: keyof Call, text: string): Set<string> {
  const found = [...text.matchAll(new RegExp(`"${name}":("(?:[^"\\\\]|\\\\.)*")`, "g"))];
  return new Set(
    found.map(([, value = ""]) => parseJson(value)).filter((value) => typeof value === "string"),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
