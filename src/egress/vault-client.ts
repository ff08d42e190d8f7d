import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../limits.ts";
import { readLines } from "../net/lines.ts";
import { vaultLock, vaultPlaces } from "../net/vault-places.ts";
import { type VaultAnswer, type VaultRequest, vaultAnswer } from "../net/vault-wire.ts";

type Unsent<Request> = Request extends { n: number } ? Omit<Request, "n"> : never;
export type VaultQuestion = Unsent<VaultRequest>;

/** The connections to the machine's serves, of which each may end, stand still and come back at any time. */
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

/**
 * It connects when something is asked, and asks again what got no answer. Where the serve that answered last is silent for
 * `limits.vault_hedge_ms` the next one is asked too, so that each question may be answered several times: the first answer counts.
 */
export function createVaultClient({
  socket_path,
  wait_ms = limits.vault_wait_ms,
  is_awaited = true,
}: VaultClientOptions): VaultClient {
  const closed = new AbortController();
  const lines = new Map<string, Promise<Line | null>>();
  /** The one that answered last is first. */
  const places = vaultPlaces(socket_path);

  function lineTo(place: string): Promise<Line | null> {
    const open =
      lines.get(place) ??
      openLineAt(place, () => lines.delete(place)).then((line) => {
        if (line === null) lines.delete(place);
        else if (closed.signal.aborted) line.end();
        return line;
      });
    lines.set(place, open);
    return open;
  }

  async function askEach(question: VaultQuestion, until: number): Promise<VaultAnswer | null> {
    const { promise: first, resolve } = Promise.withResolvers<VaultAnswer | null>();
    let isAnswered = false;
    const answers: Promise<void>[] = [];
    const askAt = async (place: string, line: Line) => {
      const answer = await line.ask(question, Math.max(until - performance.now(), 0));
      if (isAnswered || answer === null || answer.type === "failed") return;
      isAnswered = true;
      places.sort((a, b) => Number(b === place) - Number(a === place));
      resolve(answer);
    };
    for (const place of [...places]) {
      const line = await lineTo(place);
      if (isAnswered) break;
      if (line === null) continue;
      const silence = new AbortController();
      const asked = askAt(place, line);
      answers.push(asked);
      const silent = delay(limits.vault_hedge_ms, undefined, { signal: silence.signal, ref: false });
      await Promise.race([asked, first, silent.catch(() => {})]);
      silence.abort();
      if (isAnswered) break;
    }
    void Promise.all(answers).then(() => resolve(null));
    return first;
  }

  return {
    async ask(question) {
      const until = performance.now() + wait_ms;
      while (!closed.signal.aborted) {
        const answer = await askEach(question, until);
        if (answer !== null) return answer;
        if (until - performance.now() <= limits.vault_retry_ms) return null;
        await delay(limits.vault_retry_ms, undefined, { signal: closed.signal }).catch(() => {});
      }
      return null;
    },
    isMissing: () =>
      !is_awaited && lines.size === 0 && !existsSync(socket_path) && !existsSync(vaultLock(socket_path)),
    close() {
      closed.abort();
      for (const line of lines.values()) void line.then((open) => open?.end());
    },
  };
}

/** One connection. */
interface Line {
  /** Null when it ended first, or the time had. */
  ask(question: VaultQuestion, wait_ms: number): Promise<VaultAnswer | null>;
  end(): void;
}

/** Null when nobody listens there. */
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
