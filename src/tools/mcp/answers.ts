import type { FetchLike, JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import { limits } from "../../limits.ts";
import { TooMuch, whenEnded } from "./bounded-body.ts";

/**
 * Which requests of a connection still wait for an answer. The protocol's library waits for one whose stream has ended
 * without it until its time is up; whoever made it hears here at once that it is lost.
 */
export interface Answers {
  /** Listens to what goes over a transport, before anything does. */
  watch(transport: Transport): void;
  /** The same requests, whose ends are noticed. */
  watched(ask: FetchLike): FetchLike;
  /** For a stream that broke: asks for it again after a while, which the server does not choose alone. */
  schedule(again: () => void, delay_ms: number): () => void;
  /** Why a request was lost; null for any other error. */
  lossIn(error: unknown): string | null;
  /** Resolves when what was said without a wait for an answer has been sent, or after a moment. */
  said(): Promise<void>;
}

/** By which an error of ours is told from one that a server makes up. */
class Loss {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

type Id = string | number;

export function createAnswers(): Answers {
  let transport: Transport | null = null;
  const waiting = new Set<Id>();
  /** Those of them whose stream can be asked for again where it broke. */
  const resumable = new Set<Id>();
  const saying = new Set<Promise<unknown>>();
  /** How much the server has asked in this turn of the event loop, and how many answers are on their way to it. */
  let asked = 0;
  let answering = 0;
  let flood: TooMuch | null = null;
  let retries = 0;
  let failures = 0;

  function lose(id: Id, reason: string): void {
    if (!waiting.delete(id)) return;
    const data = new Loss(reason);
    transport?.onmessage?.({ jsonrpc: "2.0", id, error: { code: lost_code, message: reason, data } });
  }

  function loseResumable(reason: string): void {
    for (const id of resumable) lose(id, reason);
    resumable.clear();
  }

  /** Throws where there are too many: to be asked costs more than to ask. */
  function takeQuestion(): void {
    if (asked === 0)
      setImmediate(() => {
        asked = 0;
      });
    asked += 1;
    if (!flood && asked + answering <= limits.mcp_asked_at_once_max) return;
    flood ??= new TooMuch("the server asks too much at once");
    for (const id of waiting) lose(id, flood.message);
    transport?.close();
    throw flood;
  }

  /** What came is read by then. */
  const soon = (run: () => void) => setTimeout(run, read_ms).unref();

  return {
    watch(watched) {
      transport = watched;
      const send = watched.send.bind(watched);
      watched.onmessage = (message) => {
        if (!("id" in message) || message.id === undefined) return;
        if ("method" in message) return takeQuestion();
        waiting.delete(message.id);
        resumable.delete(message.id);
      };
      watched.send = (message, options) => {
        const id = requestIdIn(message);
        if (id === null) {
          const isAnswer = "id" in message;
          if (isAnswer) answering += 1;
          const said = send(message, options).finally(() => {
            saying.delete(said);
            if (isAnswer) answering -= 1;
          });
          saying.add(said);
          return said;
        }
        waiting.add(id);
        const onresumptiontoken = (token: string) => {
          resumable.add(id);
          options?.onresumptiontoken?.(token);
        };
        return send(message, { ...options, onresumptiontoken });
      };
    },
    watched: (ask) => async (url, init) => {
      const isResuming = new Headers(init?.headers).has("last-event-id");
      try {
        const response = await ask(url, init);
        if (isResuming) {
          failures = response.ok ? 0 : failures + 1;
          if (failures >= resume_failures_max || (response.status >= 400 && response.status < 500))
            loseResumable(`the server answers ${response.status} where a broken answer is to go on`);
          return response;
        }
        const id = typeof init?.body === "string" ? requestIdIn(JSON.parse(init.body)) : null;
        if (id === null || !response.ok || response.status === 202 || !response.body) return response;
        const body = whenEnded(response.body, (error) =>
          soon(() => {
            if (!resumable.has(id)) lose(id, reasonOf(error));
          }),
        );
        const { status, headers } = response;
        return new Response(body, { status, headers });
      } catch (error) {
        if (isResuming) failures += 1;
        if (failures >= resume_failures_max) loseResumable("a broken answer does not go on");
        throw error;
      }
    },
    schedule(again, delay_ms) {
      retries += 1;
      if (retries > limits.mcp_retries_max) {
        loseResumable("the server breaks off its answers again and again");
        return () => {};
      }
      const pause = Math.min(Math.max(delay_ms, limits.mcp_retry_ms_min), limits.mcp_retry_ms_max);
      const timer = setTimeout(again, pause);
      return () => clearTimeout(timer);
    },
    lossIn: (error) => {
      const { data } = (error ?? {}) as { data?: unknown };
      return data instanceof Loss ? data.reason : null;
    },
    async said() {
      await Promise.race([Promise.allSettled(saying), passed(limits.mcp_goodbye_ms)]);
    },
  };
}

const lost_code = -32_000;
const resume_failures_max = 2;
const read_ms = 500;

const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

function requestIdIn(message: JSONRPCMessage | JSONRPCMessage[]): Id | null {
  return !Array.isArray(message) && "method" in message && "id" in message ? message.id : null;
}

/** The innermost cause: what a library puts around it says nothing. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  const said = reason instanceof Error ? `: ${reason.message}` : "";
  return `the server ended its answer before it was whole${said}`;
}
