import type { Database } from "../db/database.ts";
import { type AppendRequest, append } from "../log/append.ts";
import { arrivalEntries } from "../log/arrival.ts";
import type { Entry } from "../log/entry.ts";
import { claim, type Lease } from "../log/lease.ts";
import { readAll } from "../log/read.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import { createWatches } from "../log/watch.ts";
import { type ModelEvent, type ModelRequest, noUsage } from "../models/model.ts";
import { cloudDefault } from "../protocol/environments.ts";
import type { EventParams } from "../protocol/events.ts";
import { newId } from "../protocol/ids.ts";
import type { McpSession } from "../tools/mcp/mcp.ts";
import { failed } from "../tools/tool.ts";
import { drive, type Effects } from "./drive.ts";
import type { AgentFacts, SessionFacts } from "./session.ts";
import type { Spending } from "./spending.ts";

/** A session on a real log, with a scripted model and a scripted `hands`. */
export interface TestSession {
  id: string;
  /** Every command that was run, in order: what `hands` did, not what it was asked. */
  ran: string[];
  /** Every command that was cancelled without waiting for it. */
  cancelled: string[];
  /** Every request the model got. */
  asked: ModelRequest[];
  /** Appends as the API does; the verdict. */
  send(...events: EventParams[]): Promise<string>;
  claim(): Promise<Lease>;
  entries(): Promise<Entry[]>;
  effects(lease: Lease, changed?: Partial<Effects>): Effects;
}

export const testAgent: AgentFacts = {
  id: "agent_1",
  name: "tester",
  model: { id: "scripted" },
  mcp_servers: [],
  skills: [],
  system: "Do as you are told.",
  tools: [
    {
      type: "agent_toolset_20260401",
      configs: [
        { name: "bash", enabled: true, permission_policy: { type: "always_allow" } },
        { name: "read", enabled: true, permission_policy: { type: "always_ask" } },
        { name: "write", enabled: false, permission_policy: { type: "always_allow" } },
        { name: "edit", enabled: true, permission_policy: { type: "auto" } },
        { name: "grep", enabled: true, permission_policy: { type: "auto" } },
      ],
    },
    { type: "custom", name: "weather", description: "Tells the weather", input_schema: { type: "object" } },
  ],
};

export const factsOf = (session: Pick<TestSession, "id">): SessionFacts => ({
  workspace_id: "w",
  session_id: session.id,
  agent: testAgent,
  skills: [],
  repositories: [],
  mounts_version: 0,
  fold_from: 0,
  budget_cents: null,
  self_hosted: false,
  needs_setup: false,
});

/** A session without MCP servers. */
export const noMcp: McpSession = {
  list: async () => ({ status: "unreachable", message: "There is none." }),
  run: async () => failed("There is none."),
  watch: () => [],
  rest() {},
  giveUp() {},
};

/** A dollar per million tokens in, five per million out. */
export const testSpending: Spending = {
  costOf: (_, usage) => usage.input_tokens * 1_000 + usage.output_tokens * 5_000,
  isPriced: () => true,
  search_nano: 10_000_000,
  runtime_nano_per_hour: 0,
};

export const message = (text: string) => ({
  type: "user.message" as const,
  content: [{ type: "text" as const, text }],
});
export const never = new AbortController().signal;

export type Script = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent> | ModelEvent[];

export const says = (text: string): ModelEvent[] => [
  {
    type: "finished",
    content: [{ type: "text", text }],
    stop: { reason: "end_turn" },
    usage: { ...noUsage, input_tokens: 10, output_tokens: 5 },
  },
];

/** What a judge is asked. */
export function caseIn(request: ModelRequest | undefined): {
  user_messages: string[];
  user_messages_left_out: number;
  conversation: string[];
  call: { tool: string; input: Record<string, unknown> };
} {
  const block = request?.messages[0]?.content[0];
  if (block?.type !== "text") throw new Error("no judge was asked");
  return JSON.parse(block.text);
}

/** The answer of a judge. */
export const verdict = (verdict: string): ModelEvent[] => says(JSON.stringify({ verdict }));

export const calls = (...names: string[]): ModelEvent[] => [
  {
    type: "finished",
    content: names.map((name, i) => ({
      type: "tool_use",
      id: `toolu_${name}_${i}`,
      name: name.split(" ")[0] ?? "",
      input: { command: name },
    })),
    stop: { reason: "tool_use" },
    usage: { ...noUsage, input_tokens: 10, output_tokens: 5 },
  },
];

export async function testSession(
  db: Database,
  script: Script,
  agent: AgentFacts = testAgent,
): Promise<TestSession> {
  const id = newId("session");
  await db.query(
    {
      name: "test_session",
      text: `with e as (
          insert into environment (workspace_id, id, name, config, metadata, scope, created_at, updated_at)
          values ('w', 'env_1', 'test', '{}', '{}', 'organization', drover_now(), drover_now()) on conflict do nothing),
        s as (
          insert into session (workspace_id, id, agent_id, agent_version, agent, environment_id, environment_config,
            metadata, created_at, updated_at)
          values ('w', $1, 'agent_1', 1, $2, 'env_1', $4, '{}', drover_now(), drover_now())),
        t as (insert into thread (workspace_id, session_id, id, status, created_at, updated_at)
          values ('w', $1, $3, 'idle', drover_now(), drover_now()))
        insert into session_head (workspace_id, session_id, seq, last_at, status, status_at, usage, spent_nano)
        values ('w', $1, 0, drover_now(), 'idle', drover_now(), '{}', 0)`,
    },
    [id, JSON.stringify(agent), primaryThreadOf(id), JSON.stringify(cloudDefault)],
  );
  return sessionAt(db, id, script);
}

/** One that is there already, such as a fork. */
export function sessionAt(db: Database, id: string, script: Script): TestSession {
  const asked: ModelRequest[] = [];
  const ran: string[] = [];
  const cancelled: string[] = [];
  const known = new Map<string, Promise<{ content: { type: "text"; text: string }[]; is_error: boolean }>>();
  const watch = createWatches(db).watch(id);

  return {
    id,
    ran,
    cancelled,
    asked,
    async send(...events) {
      const answers = events.flatMap((event) => {
        if (event.type === "user.tool_confirmation") return [`confirmation ${event.tool_use_id}`];
        return event.type === "user.custom_tool_result" ? [`result ${event.custom_tool_use_id}`] : [];
      });
      const request: AppendRequest = {
        answers,
        workspace_id: "w",
        session_id: id,
        entries: arrivalEntries(id, testAgent.name, events),
        run: { type: "wake" },
      };
      const [result] = await append(db, [request], 0);
      return result?.verdict ?? "";
    },
    async claim() {
      await livingProcess(db, process.pid);
      const leases = await claim(db, process.pid, 1_000);
      const lease = leases.find((candidate) => candidate.session_id === id);
      if (!lease) throw new Error(`session ${id} is not to be claimed`);
      return lease;
    },
    entries: () => readAll(db, id, 0),
    effects: (_lease, changed = {}) => ({
      read: (seq) => readAll(db, id, seq),
      ring: (seq, signal) => watch.ring(seq, signal),
      async append(request) {
        const [result] = await append(db, [request], 0);
        if (!result) throw new Error("no answer");
        return result;
      },
      async *callModel(request, signal) {
        asked.push(request);
        yield* script(request, signal);
      },
      judgeOf: () => "judge",
      preview() {},
      flushPreviews() {},
      prepareSandbox() {},
      placeRepositories: async () => [],
      cancelSetUp() {},
      cancelTool(call) {
        cancelled.push(String(call.input.command));
      },
      webTools: [],
      listMcp: noMcp.list,
      watchMcp: noMcp.watch,
      setUp: async () => ({ status: "ready" }),
      runTool(call) {
        const running =
          known.get(call.id) ??
          Promise.resolve().then(() => {
            ran.push(String(call.input.command));
            return {
              content: [{ type: "text" as const, text: `ran ${call.input.command}` }],
              is_error: false,
            };
          });
        known.set(call.id, running);
        return running;
      },
      capReached: async () => null,
      spending: testSpending,
      contextWindow: () => 200_000,
      newId: () => newId("event"),
      now: () => Date.now(),
      random: () => 0,
      ...changed,
    }),
  };
}

/** Drives a session in the background, with a bell that rings for what `send` appends. */
export async function start(
  db: Database,
  session: TestSession,
  changed: Partial<Effects> = {},
  stop = never,
  facts: SessionFacts = factsOf(session),
) {
  const lease = await session.claim();
  const watches = createWatches(db);
  const watch = watches.watch(session.id);
  const polling = setInterval(() => watches.poll(), 5);
  const effects = session.effects(lease, {
    read: (seq) => watch.after(seq),
    ring: (seq, signal) => watch.ring(seq, signal),
    ...changed,
  });
  const end = drive(facts, lease, effects, stop);
  return { end: end.finally(() => clearInterval(polling)) };
}

/** A model that answers only when it is aborted, and says when it was asked. */
export function hanging() {
  const asked = Promise.withResolvers<void>();
  async function* stream(signal: AbortSignal): AsyncGenerator<ModelEvent> {
    asked.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    yield { type: "aborted", usage: { ...noUsage, input_tokens: 7 } };
  }
  return { asked: asked.promise, stream };
}

export const of = (entries: Entry[], type: string) => entries.filter((entry) => entry.type === type);

/** An owner of leases that the others take for alive until they look closer. */
export async function livingProcess(db: Database, id: number): Promise<void> {
  await db.query(
    {
      name: "test_process",
      text: "insert into process (id, started_at, beat_at) values ($1, drover_now(), drover_now()) on conflict do nothing",
    },
    [id],
  );
}

/** Gives the lease up as the death of its owner would. */
export async function freeLease(db: Database, sessionId: string): Promise<void> {
  await db.query(
    {
      name: "free_lease",
      text: "update session_head set lease_owner = null, runnable_at = drover_now() where session_id = $1",
    },
    [sessionId],
  );
}
