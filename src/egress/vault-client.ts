import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../limits.ts";
import { readLines } from "../net/lines.ts";
import { vaultLock, vaultPlaces } from "../net/vault-places.ts";
import { type VaultAnswer, type VaultRequest, vaultAnswer } from "../net/vault-wire.ts";

type Unsent<Request> = Request extends { n: number } ? Omit<Request, "n"> : never;
export type VaultQuestion = Unsent<VaultRequest>;

/** The connection to one of the machine's serves, which may end and come back at any time. */
export interface VaultClient {
  /** Null when serve could not answer for as long as anyone waits. */
  ask(question: VaultQuestion): Promise<VaultAnswer | null>;
  /** Whether no serve has ever been there, and none is to be waited for. */
  isMissing(): boolean;
  close(): void;
}

export interface VaultClientOptions {
  socket_path: string;
  /** How long a question waits for a serve that is away. */
  wait_ms?: number;
  /** One is known to come, even if nothing shows that one was ever there. */
  is_awaited?: boolean;
}

/** It connects when something is asked, and asks again what got no answer. */
export function createVaultClient({
  socket_path,
  wait_ms = limits.vault_wait_ms,
  is_awaited = true,
}: VaultClientOptions): VaultClient {
  const closed = new AbortController();
  let opening: Promise<Line | null> | null = null;

  function opened(): Promise<Line | null> {
    opening ??= openLine(socket_path, () => {
      opening = null;
    }).then((line) => {
      if (line === null) opening = null;
      else if (closed.signal.aborted) line.end();
      return line;
    });
    return opening;
  }

  return {
    async ask(question) {
      const until = performance.now() + wait_ms;
      while (!closed.signal.aborted) {
        const line = await opened();
        const left = until - performance.now();
        const answer = line && (await line.ask(question, Math.max(left, 0)));
        if (answer && answer.type !== "failed") return answer;
        if (until - performance.now() <= limits.vault_retry_ms) return null;
        await delay(limits.vault_retry_ms, undefined, { signal: closed.signal }).catch(() => {});
      }
      return null;
    },
    isMissing: () =>
      !is_awaited && opening === null && !existsSync(socket_path) && !existsSync(vaultLock(socket_path)),
    close() {
      closed.abort();
      void opening?.then((line) => line?.end());
    },
  };
}

/** One connection. */
interface Line {
  /** Null when it ended first, or the time had. */
  ask(question: VaultQuestion, wait_ms: number): Promise<VaultAnswer | null>;
  end(): void;
}

/** To the first that listens; null when nobody does. */
async function openLine(socket_path: string, onEnd: () => void): Promise<Line | null> {
  for (const place of vaultPlaces(socket_path)) {
    const line = await openLineAt(place, onEnd);
    if (line !== null) return line;
  }
  return null;
}

function openLineAt(path: string, onEnd: () => void): Promise<Line | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.once("close", () => resolve(null));
    socket.once("connect", () => resolve(lineOver(socket, onEnd)));
  });
}

function lineOver(socket: Socket, onEnd: () => void): Line {
  const asked = new Map<number, (answer: VaultAnswer | null) => void>();
  let count = 0;
  // What waits for nothing keeps no process alive.
  socket.unref();
  readLines(socket, limits.vault_answer_bytes_max, {
    line(text) {
      const answer = parse(text);
      if (answer === null) return void socket.destroy();
      asked.get(answer.n)?.(answer);
    },
    tooLong: () => socket.destroy(),
  });
  socket.once("close", () => {
    onEnd();
    for (const settle of asked.values()) settle(null);
  });
  return {
    ask: (question, wait_ms) =>
      new Promise((resolve) => {
        const n = count++;
        const settle = (answer: VaultAnswer | null) => {
          clearTimeout(late);
          asked.delete(n);
          resolve(answer);
        };
        const late = setTimeout(() => settle(null), wait_ms);
        asked.set(n, settle);
        if (socket.destroyed) settle(null);
        else socket.write(`${JSON.stringify({ ...question, n })}\n`);
      }),
    end: () => socket.destroy(),
  };
}

function parse(text: string): VaultAnswer | null {
  try {
    return vaultAnswer.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
