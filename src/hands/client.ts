import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../limits.ts";
import { type Connection, type HostAddress, nameOf, openConnection, type Unsent } from "./connection.ts";
import { within } from "./until-stopped.ts";
import type {
  ExecuteResult,
  HandsRequest,
  HandsResponse,
  HostFacts,
  OutputsOf,
  SandboxSpec,
  SetUpResult,
} from "./wire.ts";

export interface SandboxScope {
  session_id: string;
  sandbox_id: string;
  epoch: number;
}

/** What a sandbox is made of where there is none yet. */
export interface SandboxOrigin {
  spec: SandboxSpec;
  restore: boolean;
  /** The version of what the session mounts, which the sandbox is to have at least; 0 is nothing. */
  mounts: number;
}

type WireExecute = Extract<HandsRequest, { type: "execute" }>;

export type ExecuteRequest = SandboxScope &
  SandboxOrigin & { call_id: string } & Pick<
    WireExecute,
    "operation" | "timeout_ms" | "output_bytes" | "keep_output_as" | "restore_known"
  > & {
    /** Seq of the log at which the call was begun, if an earlier lease may have asked for it; else null. */
    begun_seq: number | null;
  };

/**
 * What a brain asks of `hands`. Throws `StaleEpoch` when another brain has taken the session over, and `Undecided` when
 * the database did not say where the session's sandbox is.
 */
export interface Hands {
  /** Begins to start the sandbox, so that the first call finds it running. */
  provision(request: SandboxScope & SandboxOrigin): Promise<void>;
  /**
   * Has all made that the first call needs, and resolves when it is. Survives lost connections and hosts. Abort of `signal`
   * ends it.
   */
  setUp(
    request: SandboxScope & SandboxOrigin,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<SetUpResult>;
  /** Ends what somebody else has asked for, unless it is done. */
  cancelSetUp(scope: SandboxScope): Promise<void>;
  /** Survives lost connections: it asks again until `hands` answers. Abort of `signal` cancels the command. */
  execute(request: ExecuteRequest, signal: AbortSignal): Promise<ExecuteResult>;
  /** Ends a command that somebody else has asked for; whoever waits for it gets its result. */
  cancel(request: SandboxScope & { call_id: string }): Promise<void>;
}

export class StaleEpoch extends Error {
  override readonly name = "StaleEpoch";
}

export class Undecided extends Error {
  override readonly name = "Undecided";
}

export type Answer<T extends HandsResponse["type"]> = Extract<HandsResponse, { type: T }>;

/**
 * `not_begun`: the host did nothing of it. `needs_mounts`: nor will it, before the sandbox has what the session mounts.
 * `unknown`: the connection ended before the answer.
 */
export type Unanswered = "not_begun" | "needs_mounts" | "unknown";

/** The connection to one host, made anew when it breaks. */
export interface HostConnection {
  /** As it was configured. */
  readonly address: string;
  /** What it said of itself last, be it reachable or not; null until it has said something. */
  facts(): HostFacts | null;
  /** Whether it can be asked now. */
  isUp(): boolean;
  /** It said that it ends, and has. */
  hasLeft(): boolean;
  /** For how long nothing was heard of it, in `ms`. Time in which this process stood still hardly counts. */
  unheard_ms(): number;
  /** Asks once, over the connection that there is. */
  ask<T extends HandsResponse["type"]>(
    request: Unsent<HandsRequest>,
    expected: T,
    onProgress?: (text: string) => void,
  ): Promise<Answer<T> | Unanswered>;
  /** Aborts when it is closed from this side. */
  readonly closed: AbortSignal;
  /** Asks for its facts anew. */
  refresh(): Promise<void>;
  /** Calls `listener` whenever one of the above has changed, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** Calls `listener` when it says that outputs have changed, until the returned function is called. */
  onOutputs(listener: (outputs: OutputsOf) => void): () => void;
  close(): void;
}

export interface ConnectOptions {
  /** How often it is asked whether it is there, and how long it may be silent, in `ms`. */
  ping_ms?: number;
  silent_ms?: number;
  /** Hears once of each time that `hands` cannot be reached. */
  onTrouble?(error: Error): void;
}

export function connectHost(options: ConnectOptions & HostAddress): HostConnection {
  const { ping_ms = limits.hands_ping_ms, silent_ms = limits.hands_silent_ms } = options;
  const closed = new AbortController();
  const listeners = new Set<() => void>();
  const outputsListeners = new Set<(outputs: OutputsOf) => void>();
  let facts: HostFacts | null = null;
  let up: Connection | null = null;
  let leaving = false;
  let left = false;
  let unheard_ms = 0;
  let ticked_at = performance.now();
  let opened_at = Number.NEGATIVE_INFINITY;
  let wait_ms: number = limits.hands_reconnect_first_ms;

  const changed = () => {
    for (const listener of [...listeners]) listener();
  };

  /** Null as soon as the connection breaks, be it told of later: those who try again until it works would never wait. */
  const askable = () => (up?.isOpen() && !leaving ? up : null);

  /** A connection over which the host has said who it is. */
  async function open(): Promise<Connection> {
    const ended = () => {
      if (up !== connection) return;
      up = null;
      left = leaving;
      changed();
      keepReaching();
    };
    const connection: Connection = await openConnection(options, {
      heard() {
        unheard_ms = 0;
      },
      leaving() {
        leaving = true;
        changed();
      },
      outputsChanged(outputs) {
        for (const listener of outputsListeners) listener(outputs);
      },
      ended,
    });
    const answer = await within(silent_ms, connection.ask({ type: "hello" }));
    const said = connection.isOpen() ? answer : null;
    if (said?.type !== "hello") {
      connection.end();
      throw new Error(
        `${nameOf(options)} ${said === null ? "ends the connection or does not answer" : `answers with ${said.type}`}`,
      );
    }
    facts = said;
    return connection;
  }

  /** After pauses that grow, until a connection has held for longer than the longest of them. */
  async function pause(): Promise<void> {
    await delay(wait_ms, undefined, { signal: closed.signal }).catch(() => {});
    wait_ms = Math.min(2 * wait_ms, limits.hands_reconnect_longest_ms);
  }

  async function reach(): Promise<void> {
    const held_ms = performance.now() - opened_at;
    if (held_ms > limits.hands_reconnect_longest_ms) wait_ms = limits.hands_reconnect_first_ms;
    else await pause();
    for (let first = true; !closed.signal.aborted; first = false) {
      try {
        const connection = await open();
        if (closed.signal.aborted) return connection.end();
        opened_at = performance.now();
        [up, leaving, left, unheard_ms] = [connection, false, false, 0];
        return changed();
      } catch (error) {
        if (first && error instanceof Error && !closed.signal.aborted) options.onTrouble?.(error);
        await pause();
      }
    }
  }

  function keepReaching(): void {
    if (!closed.signal.aborted) reach();
  }

  const ticking = setInterval(() => {
    const now = performance.now();
    unheard_ms += Math.min(now - ticked_at, 2 * ping_ms);
    ticked_at = now;
    if (up !== null && unheard_ms > silent_ms) up.end();
    else if (up !== null) refresh();
    else changed();
  }, ping_ms);

  async function refresh(): Promise<void> {
    const connection = up;
    const said = await connection?.ask({ type: "hello" });
    if (said?.type === "hello" && up === connection) facts = said;
  }

  keepReaching();

  return {
    address: nameOf(options),
    facts: () => facts,
    isUp: () => askable() !== null,
    hasLeft: () => left,
    unheard_ms: () => unheard_ms,
    closed: closed.signal,
    async ask(request, expected, onProgress) {
      const answer = await askable()?.ask(request, onProgress);
      if (answer === undefined) return "not_begun";
      if (answer === null) return "unknown";
      if (answer.type === "needs_mounts") return "needs_mounts";
      return answer.type === "leaving" ? "not_begun" : check(answer, expected);
    },
    refresh,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onOutputs(listener) {
      outputsListeners.add(listener);
      return () => outputsListeners.delete(listener);
    },
    close() {
      closed.abort(new Error("the connection to hands was closed"));
      clearInterval(ticking);
      up?.end();
      changed();
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

/** Resolves when there is something new to know of one of them, or after `ms`. */
export async function anyChange(hosts: readonly HostConnection[], ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = hosts.map((host) => host.onChange(resolve));
  const late = setTimeout(resolve, ms);
  await promise;
  clearTimeout(late);
  for (const each of forget) each();
}

/** Asks one host for a call once. Abort of `signal` cancels it there. */
export async function executeOnce(
  host: HostConnection,
  request: Omit<WireExecute, "type" | "n">,
  signal: AbortSignal,
): Promise<ExecuteResult | Unanswered> {
  const { session_id, sandbox_id, epoch, call_id } = request;
  const answer = await cancellable(
    host.ask({ type: "execute", ...request }, "result"),
    () => host.ask({ type: "cancel", session_id, sandbox_id, epoch, call_id }, "ok"),
    signal,
  );
  return typeof answer === "string" ? answer : answer.result;
}

/** Asks one host to set a sandbox up. Abort of `signal` ends it there. */
export async function setUpOnce(
  host: HostConnection,
  request: SandboxScope & SandboxOrigin,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<SetUpResult | Unanswered> {
  const { session_id, sandbox_id, epoch } = request;
  const answer = await cancellable(
    host.ask({ type: "set_up", ...request }, "set_up", onProgress),
    () => host.ask({ type: "cancel_set_up", session_id, sandbox_id, epoch }, "ok"),
    signal,
  );
  return typeof answer === "string" ? answer : answer.result;
}

/** Who cancels waits for what was asked itself. */
async function cancellable<T>(
  asking: Promise<T>,
  cancel: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<T> {
  const tell = () => {
    cancel().catch(() => {});
  };
  signal.addEventListener("abort", tell);
  if (signal.aborted) tell();
  try {
    return await asking;
  } finally {
    signal.removeEventListener("abort", tell);
  }
}
