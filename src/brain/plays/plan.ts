import fc from "fast-check";

/** All that is left to chance in one session: what the model answers, and what happens in between. */
export interface Plan {
  /** One for each request that reaches the model; then it only says that it is done. */
  answers: Answer[];
  /** One for each boundary of a brain, before and after all it writes and does; those left over come while it rests. */
  events: PlannedEvent[];
  /** The model's context is so small that the conversation is summed up again and again. */
  compacts: boolean;
  /** What comes of each attempt to set the environment up, the later ones succeed; null where it asks for nothing. */
  setups: PlannedSetup[] | null;
  /** How its agent's MCP servers take what they are asked; null: it has none. */
  mcp: PlannedMcp | null;
  /** Which goes on of all that could, each time; then the one that has waited longest. */
  turns: number[];
  /** It is played twice, and has to come to the same. */
  again: boolean;
}

export interface PlannedSetup {
  end: "ready" | "failed" | "unavailable";
  /** Boundaries that are passed while it goes on, and lines of its progress. */
  pauses: number;
}

export type McpServerName = "open" | "asking";

export interface PlannedMcp {
  /** By server: how each request is taken that is no call, one after the other; those left over well. */
  open: PlannedTake[];
  asking: PlannedTake[];
  /** What the session's vault has for them, and whether there is a newer one when they refuse it. */
  credential: "none" | "lasting" | "renewed" | "unusable";
}

/** How an MCP server takes a request. */
export type PlannedTake =
  | "well"
  /** It offers other tools from now on, and says so if it is asked for something else. */
  | "other_tools"
  | "tool_error"
  | "error"
  /** It is not there. */
  | "refused"
  | "unauthorized"
  | "failing"
  /** It is gone before it has answered, or in the middle of its answer. */
  | "cut"
  | "cut_late"
  /** It knows nothing of the connection any more. */
  | "forgotten";

export type Answer = {
  /** Boundaries that are passed while it streams. */
  pauses: number;
} & (
  | { type: "text"; blocks: ("text" | "empty" | "thinking")[] }
  | { type: "calls"; calls: PlannedCall[] }
  | { type: "refusal"; calls: PlannedCall[] }
  | { type: "failure"; kind: "overloaded" | "unavailable" | "rejected" | "billing" | "too_long" }
);

export interface PlannedCall {
  /** Of the agent of these tests: allowed, to be confirmed, judged, not enabled, the client's, unknown. */
  name: "bash" | "read" | "edit" | "write" | "weather" | "nonsense" | `mcp__${McpServerName}__${string}`;
  malformed: boolean;
  /** What the judge says of it, if it is asked. */
  verdict: "allow" | "deny" | "ask";
  /** Boundaries that are passed while it runs. */
  pauses: number;
  /** Of a call of an MCP server: how it takes it each time; later ones well. */
  takes: PlannedTake[];
}

export type PlannedEvent =
  | { type: "nothing" }
  /** What a client sends, in one request. */
  | {
      type: "send";
      events: ClientEvent[];
      /** With a system message behind them, if they end with something that one can accompany. */
      system: boolean;
    }
  /** The brain is dead at once. */
  | { type: "crash" }
  /** The brain stands still, and another one takes the session over; it goes on at the next `thaw`. */
  | { type: "freeze" }
  | { type: "thaw" }
  /** The brain hands the session over. */
  | { type: "stop" }
  | PlannedFork;

/** The session is forked, and once it rests for good its fork goes on. */
export interface PlannedFork {
  type: "fork";
  /** At which of the events that it has by then, from the first, 0, to below 1. */
  at: number;
  /** What happens in the fork, until it is sent a message. */
  events: PlannedEvent[];
}

export type ClientEvent =
  | { type: "message"; image: boolean }
  | { type: "interrupt" }
  /** To calls of the session, whichever have been made by then; `late`: to those also that wait for no answer. */
  | { type: "answer"; late: boolean; most: number; allow: boolean; empty: boolean };

const trouble = fc.constantFrom<PlannedTake>(
  "other_tools",
  "tool_error",
  "error",
  "refused",
  "unauthorized",
  "failing",
  "cut",
  "cut_late",
  "forgotten",
);

/** How requests are taken, one after the other: so many well for each that is not. */
const takes = (well: number, maxLength: number): fc.Arbitrary<PlannedTake[]> =>
  fc.array(
    fc.oneof(
      { weight: well, arbitrary: fc.constant<PlannedTake>("well") },
      { weight: 1, arbitrary: trouble },
    ),
    { maxLength, size: "max" },
  );

const mcp: fc.Arbitrary<PlannedMcp> = fc.record({
  open: takes(5, 12),
  asking: takes(5, 6),
  credential: fc.constantFrom("lasting", "renewed", "renewed", "lasting", "renewed", "none", "unusable"),
});

const ownTool = fc.constantFrom<PlannedCall["name"][]>(
  "bash",
  "read",
  "weather",
  "bash",
  "read",
  "weather",
  "edit",
  "write",
  "nonsense",
);

const mcpTool = fc
  .tuple(
    fc.constantFrom<McpServerName[]>("open", "open", "asking"),
    fc.constantFrom("destroys", "plain", "destroys", "plain", "reads", "repeats", "off"),
  )
  .map(([server, tool]): PlannedCall["name"] => `mcp__${server}__${tool}`);

const call: fc.Arbitrary<PlannedCall> = fc.record({
  name: fc.oneof({ weight: 2, arbitrary: ownTool }, { weight: 3, arbitrary: mcpTool }),
  malformed: mostly(false, true),
  verdict: fc.constantFrom("allow", "deny", "ask"),
  pauses: fc.nat({ max: 3 }),
  takes: takes(2, 3),
});

const setup: fc.Arbitrary<PlannedSetup> = fc.record({
  end: fc.constantFrom("ready", "failed", "unavailable"),
  pauses: fc.nat({ max: 4 }),
});

const calls = fc.array(call, { minLength: 1, maxLength: 4 });

const answer: fc.Arbitrary<Answer> = fc
  .tuple(
    fc.nat({ max: 3 }),
    fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant("text"),
          blocks: fc.array(fc.constantFrom("text", "empty", "thinking"), { maxLength: 3 }),
        }),
      },
      { weight: 6, arbitrary: fc.record({ type: fc.constant("calls"), calls }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("refusal"), calls }) },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant("failure"),
          kind: fc.constantFrom("overloaded", "unavailable", "rejected", "billing", "too_long"),
        }),
      },
    ),
  )
  .map(([pauses, what]) => ({ pauses, ...what }));

const answers: fc.Arbitrary<ClientEvent> = fc.record({
  type: fc.constant("answer"),
  late: mostly(false, true),
  most: fc.integer({ min: 1, max: 4 }),
  allow: mostly(true, false),
  empty: fc.boolean(),
});

const messages: fc.Arbitrary<ClientEvent> = fc.record({
  type: fc.constant("message"),
  image: mostly(false, true),
});

const clientEvent: fc.Arbitrary<ClientEvent> = fc.oneof(
  { weight: 8, arbitrary: answers },
  { weight: 3, arbitrary: messages },
  { weight: 1, arbitrary: fc.constant<ClientEvent>({ type: "interrupt" }) },
);

const sent = fc
  .oneof(
    { weight: 7, arbitrary: clientEvent.map((event) => [event]) },
    { weight: 1, arbitrary: messages.map((event): ClientEvent[] => [{ type: "interrupt" }, event]) },
    { weight: 2, arbitrary: fc.array(clientEvent, { minLength: 2, maxLength: 3 }) },
  )
  .chain((events) => mostly(false, true).map((system): PlannedEvent => ({ type: "send", events, system })));

const eventOr = (forks: fc.WeightedArbitrary<PlannedEvent>[]): fc.Arbitrary<PlannedEvent> =>
  fc.oneof(
    { weight: 15, arbitrary: fc.constant<PlannedEvent>({ type: "nothing" }) },
    { weight: 10, arbitrary: sent },
    { weight: 2, arbitrary: fc.constant<PlannedEvent>({ type: "crash" }) },
    { weight: 1, arbitrary: fc.constant<PlannedEvent>({ type: "freeze" }) },
    { weight: 1, arbitrary: fc.constant<PlannedEvent>({ type: "thaw" }) },
    { weight: 1, arbitrary: fc.constant<PlannedEvent>({ type: "stop" }) },
    ...forks,
  );

const forkThat = (happens: fc.Arbitrary<PlannedEvent>): fc.Arbitrary<PlannedEvent> =>
  fc.record({
    type: fc.constant("fork"),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    events: fc.array(happens, { maxLength: 6, size: "max" }),
  });

/** Forks of forks, and no further. */
const forked = eventOr([{ weight: 2, arbitrary: forkThat(eventOr([])) }]);
const event = eventOr([{ weight: 2, arbitrary: forkThat(forked) }]);

export const first: PlannedEvent = {
  type: "send",
  events: [{ type: "message", image: false }],
  system: false,
};

export const plans: fc.Arbitrary<Plan> = fc.record({
  answers: fc.array(answer, { maxLength: 8, size: "max" }),
  events: fc.array(event, { maxLength: 60, size: "max" }).map((events) => [first, ...events]),
  compacts: mostly(false, true),
  setups: fc.option(fc.array(setup, { maxLength: 4 }), { freq: 2 }),
  mcp: fc.option(mcp, { freq: 3 }),
  turns: fc.array(fc.nat({ max: 3 }), { maxLength: 200, size: "max" }),
  again: fc.nat({ max: 15 }).map((n) => n === 15),
});

function mostly(usual: boolean, seldom: boolean): fc.Arbitrary<boolean> {
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(seldom) },
  );
}
