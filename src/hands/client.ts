import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../limits.ts";
import { readLines } from "./lines.ts";
import {
  type Checkpoint,
  type CheckpointRef,
  type ExecuteResult,
  type HandsRequest,
  type HandsResponse,
  handsResponse,
  type SandboxSpec,
} from "./wire.ts";

export interface SandboxScope {
  session_id: string;
  sandbox_id: string;
  epoch: number;
}

/** What a sandbox is made of where there is none yet. */
export interface SandboxOrigin {
  spec: SandboxSpec;
  restore_from: CheckpointRef | null;
}

export type ExecuteRequest = SandboxScope &
  SandboxOrigin & { call_id: string } & Pick<
    Extract<HandsRequest, { type: "execute" }>,
    "operation" | "timeout_ms" | "output_bytes" | "keep_output_as"
  >;

/** What a brain asks of `hands`. Throws `StaleEpoch` when another brain has taken the session over. */
export interface Hands {
  /** Begins to start the sandbox, so that the first call finds it running. */
  provision(request: SandboxScope & SandboxOrigin): Promise<void>;
  /** Survives lost connections: it asks again until `hands` answers. Abort of `signal` cancels the command. */
  execute(request: ExecuteRequest, signal: AbortSignal): Promise<ExecuteResult>;
  /** Ends a command that somebody else has asked for; whoever waits for it gets its result. */
  cancel(request: SandboxScope & { call_id: string }): Promise<void>;
  destroy(request: SandboxScope & { keep_workspace: boolean; keep_checkpoints: boolean }): Promise<void>;
  /** Which checkpoints there are of a session's workspace, the oldest first. */
  checkpoints(request: { session_id: string }): Promise<Checkpoint[]>;
}

export class StaleEpoch extends Error {
  override readonly name = "StaleEpoch";
}

type Unsent<T> = T extends { n: number } ? Omit<T, "n"> : never;
type Answer<T extends HandsResponse["type"]> = Extract<HandsResponse, { type: T }>;

interface Connection {
  /** Null when the connection ended first. */
  ask(request: Unsent<HandsRequest>): Promise<HandsResponse | null>;
  end(): void;
}

export interface ConnectOptions {
  socket_path: string;
  /** Hears once of each time that `hands` cannot be reached. */
  onTrouble?(error: Error): void;
}

/** Talks to `hands` over one connection, made anew when it breaks. Commands do not notice: asking again is safe. */
export function connectHands(options: ConnectOptions): Hands & { close(): void } {
  const closed = new AbortController();
  let current: Promise<Connection> | null = null;

  function connection(): Promise<Connection> {
    current ??= reach();
    return current;
  }

  async function reach(): Promise<Connection> {
    let wait: number = limits.hands_reconnect_first_ms;
    for (let first = true; ; first = false) {
      closed.signal.throwIfAborted();
      try {
        const socket = await openSocket(options.socket_path);
        return multiplex(socket, () => {
          current = null;
        });
      } catch (error) {
        if (first && error instanceof Error) options.onTrouble?.(error);
        await delay(wait, undefined, { signal: closed.signal });
        wait = Math.min(2 * wait, limits.hands_reconnect_longest_ms);
      }
    }
  }

  /** Asks until there is an answer. `sent` hears of every connection that the question went over. */
  async function ask<T extends HandsResponse["type"]>(
    request: Unsent<HandsRequest>,
    expected: T,
    sent: (over: Connection) => void = () => {},
  ): Promise<Answer<T>> {
    for (;;) {
      const over = await connection();
      const answering = over.ask(request);
      sent(over);
      const answer = await answering;
      if (answer !== null) return check(answer, expected);
    }
  }

  return {
    async provision(request) {
      await ask({ type: "provision", ...request }, "ok");
    },
    async execute(request, signal) {
      const { session_id, sandbox_id, epoch, call_id } = request;
      let over: Connection | null = null;
      const cancel = () => void over?.ask({ type: "cancel", session_id, sandbox_id, epoch, call_id });
      signal.addEventListener("abort", cancel);
      try {
        const answer = await ask({ type: "execute", ...request }, "result", (connection) => {
          over = connection;
          if (signal.aborted) cancel();
        });
        return answer.result;
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    },
    async cancel(request) {
      await ask({ type: "cancel", ...request }, "ok");
    },
    async destroy(request) {
      await ask({ type: "destroy", ...request }, "ok");
    },
    async checkpoints(request) {
      return (await ask({ type: "checkpoints", ...request }, "checkpoints")).checkpoints;
    },
    close() {
      closed.abort(new Error("the connection to hands was closed"));
      current?.then(
        (open) => open.end(),
        () => {},
      );
    },
  };
}

function check<T extends HandsResponse["type"]>(answer: HandsResponse, expected: T): Answer<T> {
  if (isOf(answer, expected)) return answer;
  if (answer.type === "stale_epoch") {
    throw new StaleEpoch(`another brain has taken the session over, with epoch ${answer.seen}`);
  }
  throw new Error(
    answer.type === "error" ? `hands: ${answer.message}` : `hands answered with ${answer.type}`,
  );
}

function isOf<T extends HandsResponse["type"]>(answer: HandsResponse, type: T): answer is Answer<T> {
  return answer.type === type;
}

function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function multiplex(socket: Socket, onEnd: () => void): Connection {
  const asked = new Map<number, (answer: HandsResponse | null) => void>();
  let count = 0;
  readLines(socket, limits.hands_line_bytes_max, {
    line(text) {
      const answer = handsResponse.parse(JSON.parse(text));
      asked.get(answer.n)?.(answer);
      asked.delete(answer.n);
    },
    tooLong: () => socket.destroy(),
  });
  socket.on("error", () => {});
  socket.once("close", () => {
    onEnd();
    for (const resolve of asked.values()) resolve(null);
    asked.clear();
  });
  return {
    ask: (request) =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve(null);
        const n = count++;
        asked.set(n, resolve);
        socket.write(`${JSON.stringify({ ...request, n })}\n`);
      }),
    end: () => socket.destroy(),
  };
}
