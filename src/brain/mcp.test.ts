import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openDatabase } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import type { Lease } from "../log/lease.ts";
import type { McpTool } from "../protocol/mcp-tools.ts";
import { createMcp } from "../tools/mcp/mcp.ts";
import { mcpToolName } from "../tools/mcp/names.ts";
import { createRedactor, type Redactor } from "../vault/redact.ts";
import { CredentialsUnusable } from "./credentials.ts";
import { drive, type Effects } from "./drive.ts";
import { fold } from "./fold.ts";
import { type McpListed, mcpDefinitions, mcpToolsOf } from "./mcp.ts";
import { listMcpTools, runMcpTool } from "./run-mcp-tool.ts";
import type { AgentFacts } from "./session.ts";
import { calls, factsOf, message, never, of, type Script, says, testAgent, testSession } from "./testing.ts";
import { diesAt } from "./testing-crash.ts";

const database = await testDatabase();
const db = openDatabase({ url: database.url });
after(async () => {
  await db.close();
  await database.close();
});

const server = { name: "one", url: "https://mcp.example.com/" };
const agent: AgentFacts = {
  ...testAgent,
  mcp_servers: [server],
  tools: [
    ...testAgent.tools,
    {
      type: "mcp_toolset",
      mcp_server_name: "one",
      configs: [{ name: "asked", enabled: true, permission_policy: { type: "always_ask" } }],
      default_config: { enabled: true, permission_policy: { type: "always_allow" } },
    },
  ],
};
const toolOf = (name: string, repeatable = false): McpTool => ({
  name,
  description: name,
  input_schema: { type: "object", properties: {} },
  repeatable,
});
const listed: McpListed = {
  status: "listed",
  tools: [toolOf("writes"), toolOf("reads", true), toolOf("asked")],
  left_out: [],
};

describe("a brain that dies", () => {
  for (const [name, repeatable] of [
    ["writes", false],
    ["reads", true],
  ] as const)
    test(`at any boundary of a turn with MCP calls: ${name}`, async () => {
      for (let n = 0; ; n += 1) {
        const ran: string[] = [];
        const script: Script = ({ messages }) =>
          messages.at(-1)?.content[0]?.type === "tool_result" ? says("Done.") : calls(`mcp__one__${name}`);
        const session = await testSession(db, script);
        await session.send(message("Call it"));
        const facts = { ...factsOf(session), agent };
        const effectsOf = (lease: Lease): Effects =>
          session.effects(lease, {
            listMcp: async () => listed,
            runTool: (call, signal, { mcp_servers }) =>
              runMcpTool(
                call,
                {
                  known: {
                    server,
                    tool: toolOf(name, repeatable),
                    name: call.name,
                    enabled: true,
                    policy: "always_allow",
                  },
                  mcp_servers,
                  mcp: {
                    async run({ starts, tool }) {
                      // As the real one decides it.
                      if (starts === 0 || tool.repeatable) ran.push(tool.name);
                      return unconnected.run({ server, tool, input: {}, starts, known: [] }, signal);
                    },
                  },
                  credentials: null,
                  keep: null,
                },
                signal,
              ),
          });
        if (!(await diesAt(n, db, session, facts, effectsOf))) {
          assert.ok(n >= 8, `only ${n} boundaries were met`);
          return;
        }
        const second = await session.claim();
        assert.equal(await drive(facts, second, effectsOf(second), never), "parked");
        const entries = await session.entries();
        assert.ok(ran.length <= (repeatable ? 2 : 1), `boundary ${n}: ran ${ran.length} times`);
        assert.equal(of(entries, "agent.mcp_tool_result").length, 1, `boundary ${n}`);
        assert.equal(of(entries, "mcp_tools_listed").length, 1, `boundary ${n}`);
        assert.equal(of(entries, "session.status_idle").length, 1, `boundary ${n}`);
        assert.equal(of(entries, "agent.message").length, 1, `boundary ${n}`);
        for (const [i, request] of session.asked.entries())
          assert.deepEqual(request.tools, session.asked[0]?.tools, `boundary ${n}, request ${i}`);
      }
    });
});

/** The real one, which reaches nothing: what it decides by itself is what counts here. */
const unconnected = createMcp({
  guard: { fetch: () => Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" })) },
  bearers: { find: async () => null, renew: async () => null, note() {} },
  version: "0",
  elicitation: "decline",
}).of({ workspace_id: "w", session_id: "sesn_1" });

describe("what a server says of its tools", () => {
  const secret = "a-secret-of-the-session-0123456789";
  const about = (text: string): McpListed => ({
    status: "listed",
    tools: [{ ...toolOf("t"), description: text, input_schema: { type: "object", description: text } }],
    left_out: [{ name: text, reason: "is no tool" }],
  });
  const listing = (listed: McpListed, redactor: () => Promise<Redactor>) =>
    listMcpTools(server, { mcp: { list: async () => listed }, credentials: { redactor } }, never);

  test("shows no secret of the session", async () => {
    const redactor = async () => createRedactor([{ secret }]);
    const hidden = "*".repeat(secret.length);
    assert.deepEqual(await listing(about(secret), redactor), about(hidden));
    assert.deepEqual(await listing({ status: "unreachable", message: secret }, redactor), {
      status: "unreachable",
      message: hidden,
    });
  });

  test("is not shown where nobody can look for them", async () => {
    const redactor = () => Promise.reject(new CredentialsUnusable("they are sealed"));
    const listed = await listing(about("a tool"), redactor);
    assert.deepEqual(listed, {
      status: "unreachable",
      message: 'The tools of the MCP server "one" cannot be shown: they are sealed.',
    });
  });
});

describe("the tools of a server", () => {
  test("have different names towards the model, whatever names it makes up", () => {
    // Found among some ten million of them.
    const names = ["щшешйа", "уцтхка"];
    assert.equal(mcpToolName("one", names[0] ?? ""), mcpToolName("one", names[1] ?? ""));
    const tools = [...names, "other"].map((name) => toolOf(name));
    const servers = [{ ...server, tools, due: false, again: false, failed: null }];
    const known = mcpToolsOf(agent, servers);
    assert.deepEqual(
      known.map(({ tool }) => tool.name),
      [names[0], "other"],
    );
    assert.equal(mcpDefinitions(agent, servers).length, 2);
  });

  const turn = async (script: Script, changed: Partial<Effects>) => {
    const session = await testSession(db, script);
    await session.send(message("Go"));
    const lease = await session.claim();
    const facts = { ...factsOf(session), agent };
    await drive(facts, lease, session.effects(lease, changed), never);
    return { session, facts, entries: await session.entries() };
  };

  test("stand in the log before the first request, and in every request after the others", async () => {
    const { session, entries } = await turn(() => says("Hi"), { listMcp: async () => listed });
    const types = entries.map(({ type }) => type);
    assert.ok(types.indexOf("mcp_tools_listed") < types.indexOf("span.model_request_start"));
    const names = session.asked[0]?.tools.map(({ name }) => name);
    assert.deepEqual(names?.slice(-3), ["mcp__one__writes", "mcp__one__reads", "mcp__one__asked"]);
    assert.equal(entries.find(({ type }) => type === "mcp_tools_listed")?.audience, "internal");
  });

  test("fold to the same state wherever the log is cut in two", async () => {
    const script: Script = ({ messages }) =>
      messages.at(-1)?.content[0]?.type === "tool_result" ? says("Done.") : calls("mcp__one__writes");
    const { entries } = await turn(script, { listMcp: async () => listed });
    const whole = fold(entries);
    for (let cut = 0; cut <= entries.length; cut += 1)
      assert.deepEqual(fold(entries.slice(cut), fold(entries.slice(0, cut))), whole);
    assert.equal(whole.mcp_servers[0]?.tools.length, 3);
  });

  test("are left out where the server is down, and it is asked again at the next run alone", async () => {
    let asked = 0;
    const changed: Partial<Effects> = {
      async listMcp() {
        asked += 1;
        return asked === 1 ? { status: "unreachable", message: "down" } : listed;
      },
    };
    const { session, facts, entries } = await turn(() => says("Hi"), changed);
    assert.equal(of(entries, "session.error").length, 1);
    assert.ok(session.asked[0]?.tools.every(({ name }) => !name.startsWith("mcp__")));
    await session.send(message("Again"));
    await session.send(message("And again"));
    const lease = await session.claim();
    await drive(facts, lease, session.effects(lease, changed), never);
    assert.equal(asked, 2);
    assert.ok(session.asked.at(-1)?.tools.some(({ name }) => name === "mcp__one__writes"));
  });

  test("are called in vain where the server is gone: one error says it for all calls of a run", async () => {
    const gone = { status: "unreachable", message: "down", url: server.url } as const;
    const changed: Partial<Effects> = {
      listMcp: async () => listed,
      runTool: async () => ({ content: [{ type: "text", text: "no" }], is_error: true, failure: gone }),
    };
    const script: Script = ({ messages }) =>
      JSON.stringify(messages.at(-1)).includes("tool_result")
        ? says("Hm")
        : calls("mcp__one__writes", "mcp__one__reads");
    const { session, facts, entries } = await turn(script, changed);
    assert.equal(of(entries, "agent.mcp_tool_result").length, 2);
    assert.equal(of(entries, "session.error").length, 1);
    await session.send(message("Again"));
    const lease = await session.claim();
    await drive(facts, lease, session.effects(lease, changed), never);
    assert.equal(of(await session.entries(), "session.error").length, 2);
  });

  test("are asked for in vain when an interrupt comes: the turn ends", async () => {
    const listing = Promise.withResolvers<void>();
    const session = await testSession(db, () => says("never"));
    await session.send(message("Go"));
    const lease = await session.claim();
    const driven = drive(
      { ...factsOf(session), agent },
      lease,
      session.effects(lease, {
        async listMcp(_, signal) {
          listing.resolve();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return { status: "aborted" };
        },
        ring: (_, signal) =>
          new Promise((resolve) => {
            const timer = setTimeout(resolve, 5);
            signal.addEventListener("abort", () => resolve(clearTimeout(timer)));
          }),
      }),
      never,
    );
    await listing.promise;
    await session.send({ type: "user.interrupt" });
    assert.equal(await driven, "parked");
    assert.equal(session.asked.length, 0);
    assert.equal(of(await session.entries(), "session.status_idle").length, 1);
  });

  test("change at once what was said to have changed before, and else at the next run", async () => {
    for (const at_once of [true, false]) {
      let asked = 0;
      const changed: Partial<Effects> = {
        async listMcp() {
          asked += 1;
          return listed;
        },
      };
      const { session, facts } = await turn(() => says("Hi"), changed);
      await session.send(message("Again"));
      const lease = await session.claim();
      await drive(
        facts,
        lease,
        session.effects(lease, {
          ...changed,
          watchMcp(tell) {
            if (at_once) return ["one", "unknown"];
            tell("one");
            tell("one");
            return [];
          },
        }),
        never,
      );
      assert.equal(asked, at_once ? 2 : 1);
      assert.equal(of(await session.entries(), "mcp_tools_changed").length, 1);
      await session.send(message("Once more"));
      const next = await session.claim();
      await drive(facts, next, session.effects(next, changed), never);
      assert.equal(asked, 2);
    }
  });
});
