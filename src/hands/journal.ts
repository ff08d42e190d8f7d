import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
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
  /** Drops all but the epoch. */
  clear(): Promise<void>;
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
    try {
      const encoded = batch.map((item) => encode(item.line));
      await file.appendFile(Buffer.concat(encoded));
      await file.datasync();
      for (const [n, { line }] of batch.entries()) {
        const length = encoded[n]?.length ?? 0;
        apply(state, line, { at: size, length });
        size += length;
      }
      if (state.calls.size > 2 * options.calls_kept) await rewrite(options.calls_kept);
      for (const item of batch) item.resolve();
    } catch (error) {
      // Half a line must not precede the next one.
      await file.truncate(size).catch(() => {});
      for (const item of batch) item.reject(error);
    }
  }

  async function rewrite(callsKept: number): Promise<void> {
    const lines: Buffer[] = [encode({ type: "epoch", epoch: state.epoch })];
    for (const sandbox_id of state.shells) lines.push(encode({ type: "used_shell", sandbox_id }));
    const calls = callsKept === 0 ? [] : worthKeeping(callsKept);
    for (const [key, place] of calls) {
      lines.push(place ? await read(place) : encode({ type: "started", ...callOf(key) }));
    }
    const fresh = await open(`${path}.new`, "w", 0o600);
    await fresh.writeFile(Buffer.concat(lines));
    await fresh.datasync();
    await fresh.close();
    await rename(`${path}.new`, path);
    await syncFolder(dirname(path));
    const old = file;
    ({ file, state, size } = await load(path));
    await old.close();
  }

  /** The newest, and however old every one that was started and has not finished: forgotten, it could run again. */
  function worthKeeping(count: number) {
    const calls = [...state.calls];
    return calls.filter(([, place], i) => place === null || i >= calls.length - count);
  }

  async function read(place: { at: number; length: number }): Promise<Buffer> {
    const buffer = Buffer.alloc(place.length);
    await file.read(buffer, 0, place.length, place.at);
    return buffer;
  }

  async function find(call: Call): Promise<KeptCall> {
    const place = state.calls.get(keyOf(call));
    if (place === undefined) return { state: "never_seen" };
    if (place === null) return { state: "lost" };
    const found = line.parse(JSON.parse((await read(place)).toString("utf8")));
    if (found.type !== "finished") throw new Error(`${path}: the line at ${place.at} is not a result`);
    return { state: "finished", result: found.result };
  }

  await syncFolder(dirname(path));
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
    clear: () =>
      inTurn(() => {
        state.shells.clear();
        return rewrite(0);
      }),
    close: () => inTurn(() => file.close()),
  };
}

const encode = (value: Line) => Buffer.from(`${JSON.stringify(value)}\n`, "utf8");
const keyOf = (call: Call) => JSON.stringify([call.sandbox_id, call.call_id]);

function callOf(key: string): Call {
  const [sandbox_id, call_id] = z.tuple([z.string(), z.string()]).parse(JSON.parse(key));
  return { sandbox_id, call_id };
}

function apply(state: State, change: Line, place: { at: number; length: number }): void {
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
    const bytes = Buffer.alloc((await file.stat()).size);
    await file.read(bytes, 0, bytes.length, 0);
    const { state, size } = fold(bytes, path);
    if (size < bytes.length) await file.truncate(size);
    return { file, state, size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A last line that was not written whole does not count: nobody has been told of it. */
function fold(bytes: Buffer, path: string): { state: State; size: number } {
  const state: State = { epoch: 0, shells: new Set(), calls: new Map() };
  let at = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, at)) {
    const parsed = line.safeParse(parseJson(bytes.toString("utf8", at, end)));
    if (!parsed.success) {
      if (bytes.indexOf(0x0a, end + 1) === -1) break;
      throw new Error(`${path} is damaged at byte ${at}; move it away to go on without what it remembers`);
    }
    apply(state, parsed.data, { at, length: end + 1 - at });
    at = end + 1;
  }
  return { state, size: at };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync();
  await folder.close();
}
