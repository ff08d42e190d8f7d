import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsEventParams,
  BetaManagedAgentsSessionEvent,
  BetaManagedAgentsStreamSessionEvents,
  EventStreamParams,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";
import type { SetupEvent } from "../../src/protocol/events.ts";
import { waiting } from "./waiting.ts";

export type StreamEvent = BetaManagedAgentsStreamSessionEvents;
export type ListedEvent = BetaManagedAgentsSessionEvent;
export type EventOf<Type extends StreamEvent["type"]> = Extract<StreamEvent, { type: Type }>;

export interface Facts {
  agent_id: string;
  environment_id: string;
}

/** An agent with every built-in tool under this policy, and an environment to run it in. */
export async function prepare(
  client: Anthropic,
  model = "simulated",
  policy: "always_allow" | "always_ask" | "auto" = "always_allow",
): Promise<Facts> {
  const agent = await client.beta.agents.create({
    name: "tester",
    model,
    tools: [{ type: "agent_toolset_20260401", default_config: { permission_policy: { type: policy } } }],
  });
  const environment = await client.beta.environments.create({ name: "test" });
  return { agent_id: agent.id, environment_id: environment.id };
}

/** The same, and an environment that has these commands run in each new workspace. */
export async function prepareWithSetup(client: Anthropic, ...setup: string[]): Promise<Facts> {
  const { agent_id } = await prepare(client);
  // The official API does not have it.
  const config: { type: "cloud" } = { type: "cloud", ...{ setup } };
  const environment = await client.beta.environments.create({ name: "set up", config });
  return { agent_id, environment_id: environment.id };
}

export const setupsIn = (events: readonly (StreamEvent | ListedEvent)[]): SetupEvent[] =>
  events.flatMap((event) =>
    event.type.startsWith("span.environment_setup_") ? [event as unknown as SetupEvent] : [],
  );

/** Of what it tells of set-ups, the beginnings and the ends. */
export const setupTypesIn = (events: readonly (StreamEvent | ListedEvent)[]): string[] =>
  setupsIn(events)
    .filter(({ type }) => type !== "span.environment_setup_ongoing")
    .map((event) => {
      const failed = event.type === "span.environment_setup_end" && event.is_error;
      return `${event.type.replace("span.environment_setup_", "")}${failed ? ", failed" : ""}`;
    });

export const newSession = (client: Anthropic, { agent_id, environment_id }: Facts) =>
  client.beta.sessions.create({ agent: agent_id, environment_id });

export const message = (text: string): BetaManagedAgentsEventParams => ({
  type: "user.message",
  content: [{ type: "text", text }],
});

export const send = (client: Anthropic, id: string, ...events: BetaManagedAgentsEventParams[]) =>
  client.beta.sessions.events.send(id, { events });

export const isOf =
  <Type extends StreamEvent["type"]>(type: Type) =>
  (event: StreamEvent): event is EventOf<Type> =>
    event.type === type;

export const isIdle = isOf("session.status_idle");

/** A stream of the SDK that is read in the background from the moment it is open. */
export interface Following {
  events: StreamEvent[];
  /** All events up to the `n`-th one, counted from 1, that passes the test; waits for it. */
  until(test: (event: StreamEvent) => boolean, n?: number): Promise<StreamEvent[]>;
  /** Resolves when the server has ended the stream. */
  ended: Promise<void>;
  close(): void;
}

export async function follow(
  client: Anthropic,
  id: string,
  params: EventStreamParams = {},
): Promise<Following> {
  const stream = await client.beta.sessions.events.stream(id, params);
  const events: StreamEvent[] = [];
  const { ring, until } = waiting();
  let over = false;
  const ended = (async () => {
    try {
      for await (const event of stream) {
        events.push(event);
        ring();
      }
    } finally {
      over = true;
      ring();
    }
  })();
  ended.catch(() => {});
  return {
    events,
    ended,
    until: (test, n = 1) =>
      until(() => {
        const place = events.flatMap((event, i) => (test(event) ? [i] : []))[n - 1];
        if (place !== undefined) return events.slice(0, place + 1);
        if (over) throw new Error(`the stream ended after ${events.map(({ type }) => type).join(", ")}`);
      }),
    close: () => stream.controller.abort(),
  };
}

/** One whole turn, watched from before the message is sent. */
export async function turn(client: Anthropic, id: string, text: string): Promise<StreamEvent[]> {
  const following = await follow(client, id);
  await send(client, id, message(text));
  const events = await following.until(isIdle);
  following.close();
  return events;
}

export async function listed(client: Anthropic, id: string): Promise<ListedEvent[]> {
  return collected(client.beta.sessions.events.list(id, { limit: 1000 }));
}

export async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export const typesOf = (events: { type: string }[]) => events.map(({ type }) => type);

/** What the agent has said, joined. */
export const saidIn = (events: (StreamEvent | ListedEvent)[]): string =>
  events
    .flatMap((event) => (event.type === "agent.message" ? event.content : []))
    .map((block) => (block.type === "text" ? block.text : ""))
    .join("\n");

/** The text of every tool result, in order. */
export const resultsIn = (events: (StreamEvent | ListedEvent)[]): string[] =>
  events.flatMap((event) =>
    event.type === "agent.tool_result"
      ? [(event.content ?? []).map((block) => (block.type === "text" ? block.text : "")).join("\n")]
      : [],
  );
