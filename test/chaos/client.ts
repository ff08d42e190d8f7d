import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsEventParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { testKey } from "../harness/headers.ts";
import type { ListedEvent } from "../harness/session.ts";

type Options = Anthropic.RequestOptions;

/** What became of something that a client wanted: it was done, or it certainly was not. */
export type Outcome<Answer> = { acknowledged: Answer } | { refused: string };

/** Clients of an API that may be cut off at any moment, in any of its processes. */
export interface Client {
  /**
   * Asks, under one key, until there is an answer: whether a request whose answer was lost was taken is the server's to
   * know.
   */
  insist<Answer>(ask: (sdk: Anthropic, options: Options) => Promise<Answer>): Promise<Outcome<Answer>>;
  send(sessionId: string, events: BetaManagedAgentsEventParams[]): Promise<Outcome<string[]>>;
  list(sessionId: string): Promise<ListedEvent[]>;
  /** The next of the servers, as a load balancer would give it. */
  next(): Anthropic;
  counts: { requests: number; retries: number; refusals: number };
}

const answer_ms_max = 8_000;
const retryPause_ms = 100;

export function clientOf(urls: readonly string[]): Client {
  const servers = urls.map((baseURL) => new Anthropic({ baseURL, apiKey: testKey, authToken: null }));
  const counts = { requests: 0, retries: 0, refusals: 0 };
  let turn = 0;

  function next(): Anthropic {
    turn += 1;
    const server = servers[turn % servers.length];
    if (!server) throw new Error("there is no server to ask");
    return server;
  }

  async function insist<Answer>(
    ask: (sdk: Anthropic, options: Options) => Promise<Answer>,
  ): Promise<Outcome<Answer>> {
    const headers = { "idempotency-key": randomUUID() };
    counts.requests += 1;
    for (;;) {
      try {
        return { acknowledged: await ask(next(), { headers, maxRetries: 0, timeout: answer_ms_max }) };
      } catch (error) {
        if (isRefusal(error)) {
          counts.refusals += 1;
          return { refused: error.message };
        }
        counts.retries += 1;
        await pause(retryPause_ms);
      }
    }
  }

  return {
    insist,
    next,
    counts,
    async send(sessionId, events) {
      const outcome = await insist((sdk, options) =>
        sdk.beta.sessions.events.send(sessionId, { events }, options),
      );
      if ("refused" in outcome) return outcome;
      const ids = (outcome.acknowledged.data ?? []).map(({ id }) => id);
      if (ids.length !== events.length)
        throw new Error(`${sessionId}: ${ids.length} of ${events.length} events were acknowledged`);
      return { acknowledged: ids };
    },
    async list(sessionId) {
      const listing = await insist(async (sdk, options) => {
        const events: ListedEvent[] = [];
        for await (const event of sdk.beta.sessions.events.list(sessionId, { limit: 1_000 }, options))
          events.push(event);
        return events;
      });
      if ("refused" in listing) throw new Error(`the events of ${sessionId}: ${listing.refused}`);
      return listing.acknowledged;
    },
  };
}

/** An answer that says no for good; the others say: later. */
function isRefusal(error: unknown): error is InstanceType<typeof Anthropic.APIError> {
  if (!(error instanceof Anthropic.APIError) || error.status === undefined) return false;
  return error.status < 500 && ![408, 409, 429].includes(error.status);
}
