import { setTimeout as pause } from "node:timers/promises";
import type { BetaManagedAgentsEventParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { limits } from "../../src/limits.ts";
import type { Random } from "../harness/fuzz/random.ts";
import { type EventOf, type ListedEvent, message } from "../harness/session.ts";
import { endOf } from "./checker.ts";
import type { Client } from "./client.ts";
import { commandFor } from "./commands.ts";
import { type CarefulReader, type CursorReader, readByCursor, readWithCare } from "./readers.ts";

/** The file of its workspace into which each command of a session writes the word that is its own. */
export const wordsFile = "words";

/** What one session was asked for, as its client knows it. */
export interface Played {
  id: string;
  /** Ids of acknowledged events, in the order in which they were sent. */
  sent: string[];
  /** When each was sent first, by id, in `ms`. */
  sent_ms: Map<string, number>;
  /** What was refused: none of it may be there. */
  refused: { event: BetaManagedAgentsEventParams; why: string }[];
  byCursor: CursorReader;
  withCare: CarefulReader;
}

export interface PlayerOptions {
  client: Client;
  urls: readonly string[];
  random: Random;
  agents: { asking: string; allowed: string };
  environment_id: string;
  /** Begins no other turn, and lets the open one come to its end. */
  over: AbortSignal;
  /** Told of each session when it is there. */
  began(played: Played): void;
}

const turnsMax = 12;
const restShare = 0.3;
const rest_ms = limits.checkpoint_after_ms + 500;

/** Plays one session after the other. */
export async function play(options: PlayerOptions): Promise<void> {
  while (!options.over.aborted) await playSession(options);
}

async function playSession(options: PlayerOptions): Promise<void> {
  const { client, urls, random, agents, environment_id, over } = options;
  const asks = random.chance(0.3);
  const agent = asks ? agents.asking : agents.allowed;
  const created = await client.insist((sdk, request) =>
    sdk.beta.sessions.create({ agent, environment_id }, request),
  );
  if ("refused" in created) throw new Error(`a session was refused: ${created.refused}`);
  const { id } = created.acknowledged;
  const played: Played = {
    id,
    sent: [],
    sent_ms: new Map(),
    refused: [],
    byCursor: readByCursor(urls, id),
    withCare: readWithCare(client, id),
  };
  options.began(played);
  const turns = 3 + random.below(turnsMax);
  const answered = new Set<string>();
  let words = 0;

  async function send(...events: BetaManagedAgentsEventParams[]): Promise<boolean> {
    const now = Date.now();
    const outcome = await client.send(id, events);
    if ("acknowledged" in outcome) {
      played.sent.push(...outcome.acknowledged);
      for (const event of outcome.acknowledged) played.sent_ms.set(event, now);
    } else played.refused.push(...events.map((event) => ({ event, why: outcome.refused })));
    return "acknowledged" in outcome;
  }

  /** Until the session rests, and nothing that was sent is left; what it asks is answered. */
  async function settle(): Promise<void> {
    for (;;) {
      const end = await played.withCare.until((seen) => restsAt(seen, played.sent));
      const { stop_reason } = end;
      if (stop_reason.type !== "requires_action") return;
      const open = stop_reason.event_ids.filter((call) => !answered.has(call));
      if (open.length === 0) {
        await played.withCare.until((seen) => (seen.at(-1) === end ? undefined : true));
        continue;
      }
      const now = random.chance(0.5) ? open : open.slice(0, 1);
      for (const call of now) answered.add(call);
      const answers = now.map((tool_use_id) => ({
        type: "user.tool_confirmation" as const,
        tool_use_id,
        result: random.chance(0.7) ? ("allow" as const) : ("deny" as const),
      }));
      await send(...answers);
    }
  }

  const command = () => {
    words += 1;
    const slow = random.chance(0.3) ? `; sleep 0.${1 + random.below(9)}` : "";
    return `bash ${commandFor(words, wordsFile)}${slow}`;
  };
  const look = () =>
    random.pick([`call read {"file_path":"/workspace/${wordsFile}"}`, 'call glob {"pattern":"**"}']);
  const some = (most: number) =>
    Array.from({ length: 1 + random.below(most) }, () => (random.chance(0.8) ? command() : look()));
  const script = (): string => {
    const rounds = Array.from({ length: 1 + random.below(3) }, () => some(3).join("\n"));
    const extra = random.pick(["", "", "fail overloaded\n", "wait 300ms\n", "fail too_long\n"]);
    return `${extra}${rounds.join("\nthen\n")}\nthen\nsay turn of ${words} words`;
  };

  for (let turn = 0; turn < turns && !over.aborted; turn += 1) {
    const share = random.below(10);
    if (share < 5) await send(message(script()));
    else if (share < 6) await send(message(`say ${"and on ".repeat(30)}`));
    else if (share < 8) for (const each of [script(), script(), "say last"]) await send(message(each));
    else {
      const held = share < 9 ? "hang" : `${command()}; sleep 8`;
      if (await send(message(held))) {
        const last = played.sent.at(-1);
        await played.withCare.until((seen) => (begunAfter(seen, last) ? true : undefined));
        await send({ type: "user.interrupt" });
        // What is asked until then is asked no more.
        const interrupt = played.sent.at(-1);
        await played.withCare.until((seen) =>
          seen.some((event) => event.id === interrupt) ? true : undefined,
        );
      }
    }
    await settle();
    // Its workspace is kept meanwhile.
    if (random.chance(restShare)) await pause(rest_ms);
  }
}

/** Where the session rests: it asks for something, or all that was sent has been seen. */
function restsAt(seen: ListedEvent[], sent: string[]): EventOf<"session.status_idle"> | undefined {
  const end = endOf(seen);
  if (end?.type !== "session.status_idle") return undefined;
  if (end.stop_reason.type === "requires_action") return end === seen.at(-1) ? end : undefined;
  const ids = new Set(seen.map(({ id }) => id));
  return sent.every((id) => ids.has(id)) ? end : undefined;
}

/** The model was asked for an answer to it, or for leave to make a call. */
function begunAfter(seen: ListedEvent[], id: string | undefined): boolean {
  const place = seen.findIndex((event) => event.id === id);
  return place !== -1 && seen.slice(place).some(({ type }) => type === "span.model_request_start");
}
