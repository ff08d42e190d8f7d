import { execFile } from "node:child_process";
import { constants, lchownSync, openSync, readSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { promisify } from "node:util";

/**
 * Named pipes that reach into a running sandbox: the host makes them in a folder that the sandbox sees read-only, and
 * both sides open them. Each set carries one process and is unlinked after it. Some are made ahead: the first ones while the
 * sandbox starts.
 */
export interface PipeSets {
  take(options: { control: boolean }): Promise<PipeSet>;
}

export interface PipeSet {
  name: string;
  /** Ends when `opened` has been called, so that nothing written before the process came is lost. */
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  control: Readable | null;
  /** Nobody can write to its stdout any more. */
  silent: Promise<void>;
  /** The process holds its ends. */
  opened(): void;
  /** The process is gone: what is still in the pipes is read, and all ends. */
  close(): void;
}

const kinds = ["in", "out", "err", "ctl"] as const;
const setsMadeAtOnce = 8;
const drainBytesMax = 1 << 20;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Made as `user`, and given to `owner` where that is another one. */
export function pipeSets(
  folder: string,
  user: { uid?: number; gid?: number },
  owner?: { uid: number; gid: number },
): PipeSets {
  const spare: string[] = [];
  let made = 0;
  let making: Promise<void> | null = null;

  async function make(): Promise<void> {
    const names = Array.from({ length: setsMadeAtOnce }, () => String(made++));
    const paths = names.flatMap((name) => kinds.map((kind) => join(folder, `${name}.${kind}`)));
    await promisify(execFile)("mkfifo", ["-m", "600", ...paths], { ...user, cwd: "/" });
    if (owner) for (const path of paths) lchownSync(path, owner.uid, owner.gid);
    spare.push(...names);
  }

  function fill(): Promise<void> {
    making ??= make().finally(() => {
      making = null;
    });
    return making;
  }

  /** Whoever needs one then hears of it when that fails. */
  const fillAhead = () => void fill().catch(() => {});

  fillAhead();
  return {
    async take({ control }) {
      for (;;) {
        const name = spare.shift();
        if (spare.length === 0) fillAhead();
        if (name !== undefined) return openSet(folder, name, control);
        await fill();
      }
    },
  };
}

function openSet(folder: string, name: string, hasControl: boolean): PipeSet {
  const path = (kind: (typeof kinds)[number]) => join(folder, `${name}.${kind}`);
  const stdout = output(path("out"));
  const stderr = output(path("err"));
  const control = hasControl ? output(path("ctl")) : null;
  const { promise: openedOrClosed, resolve: release } = Promise.withResolvers<void>();
  const stdin = input(path("in"), openedOrClosed);
  return {
    name,
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    control: control?.stream ?? null,
    silent: stdout.ended,
    opened: release,
    close() {
      release();
      stdin.destroy();
      for (const side of [stdout, stderr, control]) side?.close();
      // Whoever has removed them has not thereby ended the other sandboxes of this host.
      for (const kind of kinds) rmSync(path(kind), { force: true });
    },
  };
}

/** Opened for reading too, so that opening waits for nobody and what is written waits for its reader. */
function input(path: string, opened: Promise<void>): Writable {
  const socket = new Socket({
    fd: openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW),
    readable: false,
    writable: true,
  });
  const stream = new Writable({
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    final(done) {
      opened.then(() => {
        socket.destroy();
        done();
      });
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  // A process may end before it has read its input.
  socket.on("error", () => {});
  stream.on("error", () => {});
  return stream;
}

function output(path: string): { stream: Readable; ended: Promise<void>; close(): void } {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const socket = new Socket({ fd, readable: true, writable: false });
  const stream = new Readable({ read: () => void socket.resume() });
  const forward = (chunk: Buffer) => {
    if (!stream.push(chunk)) socket.pause();
  };
  socket.on("data", forward);
  socket.on("error", () => {});
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  socket.on("end", end);
  return {
    stream,
    ended,
    close() {
      socket.off("data", forward);
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) stream.push(chunk);
      if (!socket.destroyed) drain(fd, stream);
      socket.destroy();
      stream.push(null);
    },
  };
}

/** All that is in the pipe now; a background job may go on writing. */
function drain(fd: number, into: Readable): void {
  const buffer = Buffer.allocUnsafe(1 << 16);
  for (let total = 0; total < drainBytesMax; ) {
    const bytes = readNow(fd, buffer);
    if (bytes === 0) return;
    into.push(Buffer.from(buffer.subarray(0, bytes)));
    total += bytes;
  }
}

function readNow(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
    throw error;
  }
}
