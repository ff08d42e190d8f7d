import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { type FakeMcp, startFakeMcp } from "./fakes/mcp.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { cents60, limit, reasonOf } from "./harness/budgets.ts";
import { freePort } from "./harness/free-port.ts";
import { calling, errorsIn, mcpTexts, mcpUses } from "./harness/mcp.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
  isIdle,
  type ListedEvent,
  listed,
  message,
  prepare,
  prepareWithSetup,
  resultsIn,
  saidIn,
  send,
  setupsIn,
  typesOf,
} from "./harness/session.ts";

/**
 * Every kind of turn is played again and again, and the brain dies at the first place that it reaches, then at the second,
 * and so on until one turn comes to its end without.
 */
let processes: Processes;
let api: Serve;
let brain: Serve;
let hands: Running;
let allowed: Facts;
let asking: Facts;
let settingUp: Facts;
let withMcp: Facts;
let mcp: FakeMcp;
/** How often its tool that changes something has run, by what it was told. */
const changed = new Map<string, number>();

before(async () => {
  mcp = await startFakeMcp([
    { name: "look", annotations: { readOnlyHint: true }, run: () => "it is there" },
    {
      name: "change",
      run({ what }) {
        changed.set(String(what), (changed.get(String(what)) ?? 0) + 1);
        return "changed";
      },
    },
  ]);
  processes = await startProcesses({
    crashable: true,
    settings: { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" },
  });
  hands = await processes.hands();
  api = await processes.serve(await freePort(), "--roles", "api");
  brain = await startBrain();
  allowed = await prepare(api.client);
  asking = await prepare(api.client, "simulated", "always_ask");
  settingUp = await prepareWithSetup(api.client, "echo set >> runs", "echo and more");
  const agent = await api.client.beta.agents.create({
    name: "with an MCP server",
    model: "simulated",
    mcp_servers: [{ type: "url", name: "one", url: mcp.url }],
    tools: [
      { type: "agent_toolset_20260401" },
      {
        type: "mcp_toolset",
        mcp_server_name: "one",
        default_config: { permission_policy: { type: "always_allow" } },
      },
    ],
  });
  withMcp = { ...allowed, agent_id: agent.id };
});
after(async () => {
  await processes.close();
  await mcp.close();
});

const startBrain = async () => processes.serve(await freePort(), "--roles", "brain");

interface Turn {
  /** What was said before, in a turn that nothing happens to. */
  before?: string;
  text: string;
  agent?: () => Facts;
  /** Of the session, in cents. */
  budget?: string;
  /** What the client does until the turn is over. */
  act(session: Played): Promise<void>;
  /** What the file `runs` holds in the end. */
  ran: string;
  check?(events: ListedEvent[]): void;
}

interface Played {
  id: string;
  api: Anthropic;
  reader: Reconnecting;
}

const said = (text: string) => (events: ListedEvent[]) => assert.equal(saidIn(events), text);
const untilIdle = ({ reader }: Played) => reader.until(isIdle);

const turns: Record<string, Turn> = {
  "two tools one after the other": {
    text: "bash echo a >> runs\nthen\nbash echo b >> runs\nthen\nsay done",
    act: untilIdle,
    ran: "a\nb\n",
    check: said("done"),
  },
  "tools at the same time": {
    text: 'bash echo a >> runs\ncall write {"file_path":"x","content":"1"}\ncall glob {"pattern":"*"}\nthen\nsay done',
    act: untilIdle,
    ran: "a\n",
    check: said("done"),
  },
  "an approval and a refusal": {
    text: "bash echo a >> runs\nbash echo b >> runs\nthen\nsay done",
    agent: () => asking,
    async act({ id, api, reader }) {
      const asks = (event: ListedEvent) => isIdle(event) && event.stop_reason.type === "requires_action";
      await reader.until(asks);
      const calls = reader.seen.filter(({ type }) => type === "agent.tool_use").map((event) => event.id);
      const answers = calls.map((tool_use_id, i) => ({
        type: "user.tool_confirmation" as const,
        tool_use_id,
        result: i === 0 ? ("allow" as const) : ("deny" as const),
      }));
      await send(api, id, ...answers);
      await reader.until((event) => isIdle(event) && !asks(event));
    },
    ran: "a\n",
    check: said("done"),
  },
  "an interrupt while a command runs": {
    text: "bash echo a >> runs; sleep 60\nthen\nsay too late",
    async act({ id, api, reader }) {
      await processes.workspace(id).written("runs");
      await send(api, id, { type: "user.interrupt" });
      await reader.until(isIdle);
    },
    ran: "a\n",
    check(events) {
      assert.equal(saidIn(events), "");
      assert.match(resultsIn(events).join(), /interrupted/);
    },
  },
  "a command whose host dies": {
    text: "bash echo a >> runs; sleep 60\nthen\nsay done",
    async act({ id, reader }) {
      await processes.workspace(id).written("runs");
      await hands.kill();
      hands = await processes.hands();
      await reader.until(isIdle);
    },
    ran: "a\n",
    check(events) {
      assert.equal(saidIn(events), "done");
      assert.match(resultsIn(events).join(), /outcome of this call is unknown/);
    },
  },
  "tools of an MCP server": {
    text: `${calling("one", "change", { what: "a" })}\nbash echo a >> runs\nthen\n${calling("one", "look")}\nthen\nsay done`,
    agent: () => withMcp,
    act: untilIdle,
    ran: "a\n",
    check(events) {
      assert.equal(saidIn(events), "done");
      assert.deepEqual(errorsIn(events), []);
      const names = mcpUses(events).map(({ name }) => name);
      assert.deepEqual(names, ["change", "look"]);
      const [made = "", seen] = mcpTexts(events);
      assert.match(made, /^changed$|^The outcome of this call is unknown/);
      assert.equal(seen, "it is there", "what changes nothing is done again");
      // Once in each turn, or never, where that is what the model was told.
      const times = changed.get("a") ?? 0;
      changed.clear();
      assert.ok(made === "changed" ? times === 1 : times <= 1, `${times} times`);
    },
  },
  "an environment that is set up": {
    text: "bash echo a >> runs\nbash echo b >> x\nthen\nsay done",
    agent: () => settingUp,
    act: untilIdle,
    ran: "set\na\n",
    check(events) {
      assert.equal(saidIn(events), "done");
      const told = setupsIn(events).filter(({ type }) => type !== "span.environment_setup_ongoing");
      assert.deepEqual(typesOf(told), ["span.environment_setup_start", "span.environment_setup_end"]);
    },
  },
  "a summary": {
    before: "usage in=900000000\nsay before",
    text: "bash echo a >> runs\nthen\nsay done",
    act: ({ reader }) => reader.until(isIdle, 2),
    ran: "a\n",
    check(events) {
      assert.equal(saidIn(events), "before\ndone");
      assert.equal(events.filter(({ type }) => type === "agent.thread_context_compacted").length, 1);
    },
  },
  "a budget that is used up and raised": {
    text: `${cents60}\nbash echo a >> runs\nthen\n${cents60}\nbash echo b >> runs\nthen\nsay done`,
    budget: "100",
    async act({ id, api, reader }) {
      await reader.until(isIdle);
      assert.equal(reasonOf(reader.seen.find(isIdle)), "budget_reached");
      await api.beta.sessions.update(id, { budget: limit("100000") });
      await reader.until(isIdle, 2);
    },
    ran: "a\nb\n",
    check: said("done"),
  },
};

/** The place at which the brain died, or null: the turn has fewer of them. */
async function playTurn(turn: Turn, nth: number): Promise<string | null> {
  const { agent_id, environment_id } = (turn.agent ?? (() => allowed))();
  const { id } = await api.client.beta.sessions.create({
    agent: agent_id,
    environment_id,
    ...(turn.budget !== undefined && { budget: limit(turn.budget) }),
  });
  const reader = reconnecting(api.client, id);
  if (turn.before !== undefined) {
    await send(api.client, id, message(turn.before));
    await reader.until(isIdle);
  }
  await brain.crashAt({ nth });
  const doomed = brain;
  let over = false;
  const replaced = doomed.ended.then(async (point) => {
    if (!over) brain = await startBrain();
    return point;
  });
  await send(api.client, id, message(turn.text));
  await turn.act({ id, api: api.client, reader });
  const survived = doomed.crashAt({ nth: Number.MAX_SAFE_INTEGER }).then(() => {
    over = true;
    return null;
  });
  const died = await Promise.race([survived, replaced]);
  await reader.close();
  const events = await listed(api.client, id);
  const about = `place ${nth}, ${died}`;
  assert.deepEqual(reader.seen, events, about);
  assertOneActor(events);
  await assertLogsWhole(processes.db);
  assert.equal((await api.client.beta.sessions.retrieve(id)).status, "idle", about);
  const file = processes.workspace(id).path("runs");
  const ran = existsSync(file) ? readFileSync(file, "utf8") : "";
  assert.equal(ran, turn.ran, `${about}: ${typesOf(events).join(" ")}`);
  turn.check?.(events);
  return died;
}

describe("a brain dies at each place that it reaches in turn, and the turn ends as if it had not", () => {
  for (const [name, turn] of Object.entries(turns)) {
    test(name, async (context) => {
      const places: string[] = [];
      for (;;) {
        const died = await playTurn(turn, places.length);
        if (died === null) break;
        places.push(died);
      }
      context.diagnostic(`${places.length} places: ${places.join(" ")}`);
      assert.ok(places.length >= 12, `only ${places.length} places were met`);
    });
  }
});
