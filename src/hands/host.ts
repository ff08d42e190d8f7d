import { chmodSync, chownSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { limits } from "../limits.ts";
import { createCalls } from "./calls.ts";
import { type CheckpointsOptions, createCheckpoints, noCheckpoints } from "./checkpoints/checkpoints.ts";
import type { Driver } from "./driver.ts";
import { openJournals } from "./journals.ts";
import { readLines } from "./lines.ts";
import { createSandboxes } from "./sandboxes.ts";
import { type HandsRequest, type HandsResponse, handsRequest } from "./wire.ts";

export interface HandsOptions {
  socket_path: string;
  data_dir: string;
  driver: Driver;
  /** The one user who may connect, besides root. Default: whom this process runs as. */
  owner?: { uid: number; gid: number };
  sandboxes_max?: number;
  idle_ms?: number;
  idle_with_jobs_ms?: number;
  /** Where workspaces are kept when they rest. Null: nowhere. */
  checkpoints?: Omit<CheckpointsOptions, "driver" | "data_dir"> | null;
}

export interface HandsHost {
  /** Ends every sandbox, then resolves. */
  close(): Promise<void>;
}

/** The kernel takes 108, the NUL at the end included. */
const socketPathBytesMax = 107;

/** Serves sandboxes on a unix socket: one JSON object a line, many calls at a time. */
export async function startHands(options: HandsOptions): Promise<HandsHost> {
  const journals = await openJournals(join(options.data_dir, "journal"), {
    calls_kept: limits.hands_calls_kept,
    open_max: limits.hands_journals_open_max,
  });
  const { driver, data_dir } = options;
  const checkpoints = options.checkpoints
    ? createCheckpoints({ ...options.checkpoints, driver, data_dir })
    : noCheckpoints;
  const sandboxes = createSandboxes({
    driver,
    checkpoints,
    count_max: options.sandboxes_max ?? limits.sandboxes_max,
    idle_ms: options.idle_ms ?? limits.sandbox_idle_ms,
    idle_with_jobs_ms: options.idle_with_jobs_ms ?? limits.sandbox_idle_with_jobs_ms,
  });
  const calls = createCalls({ journals, sandboxes, checkpoints });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(socket, calls.handle);
  });
  await listen(server, options);
  return {
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await sandboxes.close();
      await calls.settled();
      await checkpoints.close();
      await journals.close();
    },
  };
}

function serve(socket: Socket, handle: (request: HandsRequest) => Promise<HandsResponse>): void {
  const answer = (response: HandsResponse) => {
    if (socket.writable) socket.write(`${JSON.stringify(response)}\n`);
  };
  // Whoever asked asks again over a new connection.
  socket.on("error", () => {});
  readLines(socket, limits.hands_line_bytes_max, {
    line(text) {
      const { n, request, message } = readRequest(text);
      if (!request) return answer({ type: "error", n, message });
      handle(request).then(answer, (error: unknown) =>
        answer({ type: "error", n, message: error instanceof Error ? error.message : String(error) }),
      );
    },
    tooLong() {
      answer({ type: "error", n: -1, message: `a line exceeds ${limits.hands_line_bytes_max} bytes` });
      socket.end();
    },
  });
}

function readRequest(text: string): { n: number; request: HandsRequest | null; message: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { n: -1, request: null, message: "the line is not JSON" };
  }
  const parsed = handsRequest.safeParse(json);
  if (parsed.success) return { n: parsed.data.n, request: parsed.data, message: "" };
  const n = typeof json === "object" && json !== null && "n" in json ? Number(json.n) : -1;
  const [issue] = parsed.error.issues;
  const message = issue ? `${issue.path.join(".")}: ${issue.message}` : "invalid request";
  return { n: Number.isSafeInteger(n) ? n : -1, request: null, message };
}

async function listen(server: Server, { socket_path, owner }: HandsOptions): Promise<void> {
  if (Buffer.byteLength(socket_path) > socketPathBytesMax) {
    throw new Error(
      `the socket path ${socket_path} is longer than ${socketPathBytesMax} bytes; choose a shorter folder`,
    );
  }
  mkdirSync(dirname(socket_path), { recursive: true });
  if (existsSync(socket_path)) {
    if (await answers(socket_path)) throw new Error(`another process already serves ${socket_path}`);
    unlinkSync(socket_path);
  }
  // Nobody may connect between its making and the change of its owner.
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket_path, resolve);
    });
  } finally {
    process.umask(umask);
  }
  chmodSync(socket_path, 0o600);
  if (owner) chownSync(socket_path, owner.uid, owner.gid);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
