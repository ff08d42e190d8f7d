import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testApi } from "../testing.ts";
import { agentsApi, type Read } from "./testing-agents.ts";

const { call, create, update } = agentsApi();

const toolset = { type: "agent_toolset_20260401" };
const server = { type: "url", name: "s", url: "https://mcp.example.com" };
const mcpToolset = { type: "mcp_toolset", mcp_server_name: "s" };

describe("update", () => {
  test("merges, and counts one version per change", async () => {
    const agent = await create({
      system: "s",
      description: "d",
      tools: [toolset],
      metadata: { a: "1", b: "2" },
    });
    const { body } = await update(agent.id, {
      version: 1,
      system: null,
      description: "",
      metadata: { a: null, c: "3" },
    });
    assert.deepEqual(
      { ...body, updated_at: agent.updated_at },
      { ...agent, version: 2, system: null, description: null, metadata: { b: "2", c: "3" } },
    );
    assert.ok(body.updated_at > agent.updated_at);
    assert.equal((await call("GET", `/v1/agents/${agent.id}`)).body.version, 2);
  });

  test("one that changes nothing keeps the version", async () => {
    const agent = await create({ system: "s", tools: [toolset], metadata: { a: "1" } });
    const same = [
      {},
      { name: "a" },
      { model: "m" },
      { tools: [toolset] },
      { metadata: { a: "1", x: null } },
      { metadata: null },
    ];
    for (const fields of same)
      assert.deepEqual((await update(agent.id, fields)).body, agent, JSON.stringify(fields));
  });

  test("a stale version is a conflict that a retry cannot cure, even when nothing would change", async () => {
    const agent = await create();
    await update(agent.id, { name: "b" });
    for (const fields of [{ version: 1, name: "c" }, { version: 1 }]) {
      const { status, body, headers } = await update(agent.id, fields);
      assert.equal(status, 409);
      assert.equal(body.error.type, "conflict_error");
      assert.equal(headers.get("x-should-retry"), "false");
    }
    assert.equal((await call("GET", `/v1/agents/${agent.id}`)).body.name, "b");
  });

  test("a model replaces whole, but effort stays with the model id", async () => {
    const agent = await create({ model: { id: "m", effort: "low", speed: "fast", inference_geo: "us" } });
    const kept = (await update(agent.id, { model: "m" })).body;
    assert.deepEqual(kept.model, { id: "m", effort: { type: "low" }, speed: "standard" });
    const other = (await update(agent.id, { model: { id: "n" } })).body;
    assert.deepEqual(other.model, { id: "n", effort: { type: "high" }, speed: "standard" });
  });

  test("null clears lists and restores the identity", async () => {
    const agent = await create({
      tools: [mcpToolset],
      mcp_servers: [server],
      execution_identity: { type: "aws_role", role_arn: "arn" },
    });
    const { body } = await update(agent.id, { tools: null, mcp_servers: [], execution_identity: null });
    assert.deepEqual([body.tools, body.mcp_servers], [[], []]);
    assert.deepEqual(body.execution_identity, { type: "service_account" });
  });

  test("checks the result, not the request alone", async () => {
    const agent = await create({ tools: [mcpToolset], mcp_servers: [server] });
    for (const [fields, message] of [
      [{ mcp_servers: [] }, /^tools\.0\.mcp_server_name: /],
      [{ tools: [] }, /^mcp_servers\.0\.name: /],
      [{ name: null }, /^name: must be a string$/],
      [{ model: null }, /^model: /],
      [{ version: 0 }, /^version: must be at least 1$/],
    ] as const) {
      const { status, body } = await update(agent.id, fields);
      assert.equal(status, 400);
      assert.match(body.error.message, message);
    }
  });

  test("the sixteen pairs are counted after the merge", async () => {
    const agent = await create({
      metadata: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, ""])),
    });
    assert.equal((await update(agent.id, { metadata: { more: "" } })).status, 400);
    assert.equal((await update(agent.id, { metadata: { more: "", k0: null } })).status, 200);
  });

  test("updates at once lose nothing", async () => {
    const agent = await create();
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => update(agent.id, { metadata: { [key]: "x" } })));
    const { body } = await call("GET", `/v1/agents/${agent.id}`);
    assert.equal(body.version, 9);
    assert.deepEqual(Object.keys(body.metadata).sort(), keys);
  });

  test("of updates at once from one version, one wins", async () => {
    const agent = await create();
    const answers = await Promise.all(["x", "y", "z"].map((name) => update(agent.id, { name, version: 1 })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409]);
  });
});

describe("multiagent", () => {
  test("a coordinator's roster is pinned when it is saved, the advisor comes last", async () => {
    const member = await create({ name: "member" });
    await update(member.id, { name: "member 2" });
    const agents = [{ type: "advisor", model: "big" }, member.id, { type: "self" }];
    const boss = await create({ multiagent: { type: "coordinator", agents } });
    const roster = (version: number) => [
      { type: "agent", id: member.id, version: 2 },
      { type: "agent", id: boss.id, version },
      { type: "advisor", model: "big" },
    ];
    assert.deepEqual(boss.multiagent, { type: "coordinator", agents: roster(1) });
    await update(member.id, { name: "member 3" });
    const renamed = (await update(boss.id, { name: "boss" })).body;
    assert.deepEqual(renamed.multiagent, { type: "coordinator", agents: roster(2) });
    assert.deepEqual((await update(boss.id, { name: "boss" })).body, renamed);
  });

  test("an agent that names an older version of itself keeps it", async () => {
    const boss = await create();
    const roster = [{ type: "agent", id: boss.id, version: 1 }];
    const named = await update(boss.id, { multiagent: { type: "coordinator", agents: roster } });
    assert.equal(named.body.version, 2);
    const renamed = await update(boss.id, { name: "boss" });
    assert.deepEqual(renamed.body.multiagent, { type: "coordinator", agents: roster });
  });

  test("a roster takes only agents that exist, are open, and lead nobody", async () => {
    const member = await create();
    const boss = await create({ multiagent: { type: "coordinator", agents: [member.id] } });
    const archived = await create();
    await call("POST", `/v1/agents/${archived.id}/archive`);
    for (const [agents, message] of [
      [[boss.id], /has multiagent set itself$/],
      [[archived.id], /is archived$/],
      [[{ type: "agent", id: member.id, version: 7 }], /not found in that version$/],
      [[{ type: "agent", id: member.id, version: 2 ** 40 }], /not found in that version$/],
      [[member.id, { type: "agent", id: member.id }], /^multiagent\.agents\.1: agent .* is listed twice$/],
    ] as const) {
      const { status, body } = await call("POST", "/v1/agents", {
        name: "a",
        model: "m",
        multiagent: { type: "coordinator", agents },
      });
      assert.equal(status, 400);
      assert.match(body.error.message, message);
    }
    await call("POST", `/v1/agents/${member.id}/archive`);
    assert.equal((await update(boss.id, { name: "b" })).status, 400);
    assert.equal((await update(boss.id, {})).status, 200);
  });

  test("regions must agree", async () => {
    const member = await create({ model: { id: "m", inference_geo: "us" } });
    const multiagent = { type: "coordinator", agents: [member.id] };
    const { status } = await call("POST", "/v1/agents", {
      name: "a",
      model: { id: "m", inference_geo: "global" },
      multiagent,
    });
    assert.equal(status, 400);
  });

  test("multiagent_20261001 fills in defaults and merges level by level", async () => {
    const member = await create();
    const pinned = { type: "agent", id: member.id, version: 1 };
    const type = "multiagent_20261001";
    const on = { type: "enabled" };
    const off = { type: "disabled" };
    const agent = await create({
      multiagent: { type, subagents: { ...on, predefined_agents: [member.id] } },
    });
    const crew = (fields: object = {}) => ({ ...on, inline_agents: on, predefined_agents: [], ...fields });
    const expected = {
      type,
      subagents: crew({ predefined_agents: [pinned] }),
      workflows: crew(),
      advisor: off,
    };
    assert.deepEqual(agent.multiagent, expected);

    const steps: [object | null, object | null][] = [
      [
        { type, subagents: { ...on, inline_agents: off } },
        { ...expected, subagents: crew({ inline_agents: off, predefined_agents: [pinned] }) },
      ],
      [
        { type, workflows: off, advisor: { ...on, model: "big" } },
        {
          type,
          subagents: crew({ inline_agents: off, predefined_agents: [pinned] }),
          workflows: off,
          advisor: { ...on, model: "big" },
        },
      ],
      [
        { type, subagents: null, workflows: null, advisor: null },
        { type, subagents: crew(), workflows: crew(), advisor: off },
      ],
      [
        { type: "coordinator", agents: [member.id] },
        { type: "coordinator", agents: [pinned] },
      ],
      [null, null],
    ];
    for (const [given, result] of steps) {
      assert.deepEqual((await update(agent.id, { multiagent: given })).body.multiagent, result);
    }
  });
});

describe("versions, archive and lists", () => {
  test("every version stays readable, newest first", async () => {
    const agent = await create();
    for (const name of ["b", "c"]) await update(agent.id, { name });
    const first = await call("GET", `/v1/agents/${agent.id}?version=1`);
    assert.deepEqual(first.body, agent);
    const page = await call("GET", `/v1/agents/${agent.id}/versions?limit=2`);
    assert.deepEqual(
      page.body.data.map((entry) => entry.version),
      [3, 2],
    );
    const rest = await call("GET", `/v1/agents/${agent.id}/versions?limit=2&page=${page.body.next_page}`);
    assert.deepEqual(rest.body, { data: [agent], next_page: null });
    for (const version of ["4", "99999999999"]) {
      assert.equal((await call("GET", `/v1/agents/${agent.id}?version=${version}`)).status, 404);
    }
    for (const version of ["0", "x", "1.5"]) {
      assert.equal((await call("GET", `/v1/agents/${agent.id}?version=${version}`)).status, 400);
    }
    const other = await create();
    const foreign = `/v1/agents/${other.id}/versions?page=${page.body.next_page}`;
    assert.equal((await call("GET", foreign)).status, 400);
  });

  test("an archived agent is read-only, and archiving again changes nothing", async () => {
    const agent = await create();
    const archived = (await call("POST", `/v1/agents/${agent.id}/archive`)).body;
    assert.deepEqual({ ...archived, archived_at: null }, agent);
    assert.ok(archived.archived_at);
    assert.deepEqual((await call("POST", `/v1/agents/${agent.id}/archive`)).body, archived);
    assert.equal((await update(agent.id, { name: "b" })).status, 400);
    assert.deepEqual((await call("GET", `/v1/agents/${agent.id}?version=1`)).body, archived);
  });

  test("nothing is seen from another workspace", async () => {
    const agent = await create();
    const other = { "x-api-key": "other-key" };
    for (const [method, path] of [
      ["GET", ""],
      ["POST", ""],
      ["POST", "/archive"],
      ["GET", "/versions"],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      const { status } = await call(method, `/v1/agents/${agent.id}${path}`, body, other);
      assert.equal(status, 404, `${method} ${path}`);
    }
    assert.deepEqual((await call("GET", "/v1/agents", undefined, other)).body.data, []);
  });

  test("walking the list visits each agent once, newest first", async () => {
    const own = await testApi();
    try {
      const ids: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        ids.push((await own.call<Read>("POST", "/v1/agents", { name: `n${i}`, model: "m" })).body.id);
      }
      await own.call<Read>("POST", `/v1/agents/${ids[1]}/archive`);
      const walk = async (query: string) => {
        const seen: string[] = [];
        for (let page: string | null = ""; page !== null; ) {
          const path: string = `/v1/agents?limit=2&page=${page}&${query}`;
          const answer = await own.call<Read>("GET", path);
          seen.push(...answer.body.data.map((agent) => agent.id));
          page = answer.body.next_page;
        }
        return seen;
      };
      assert.deepEqual(await walk("include_archived=true"), [...ids].reverse());
      assert.deepEqual(
        await walk(""),
        [4, 3, 2, 0].map((i) => ids[i]),
      );

      const third = (await own.call<Read>("GET", `/v1/agents/${ids[2]}`)).body.created_at;
      const count = async (query: string) =>
        (await own.call<Read>("GET", `/v1/agents?include_archived=true&${query}`)).body.data.length;
      assert.equal(await count(`created_at[gte]=${third}`), 3);
      assert.equal(await count(`created_at%5Blte%5D=${third}`), 3);
      assert.equal(await count(`created_at[gte]=${third}&created_at[lte]=${third}`), 1);

      const { next_page } = (await own.call<Read>("GET", "/v1/agents?limit=2")).body;
      for (const query of [
        "limit=0",
        "limit=101",
        "limit=ten",
        "page=nonsense",
        `page=${Buffer.from("{}").toString("base64url")}`,
        `page=${next_page}&created_at[gte]=${new Date().toISOString()}`,
        "created_at[gte]=yesterday",
        "created_at[gte]=0000-01-01T00:00:00Z",
        "created_at=2026-01-01T00:00:00Z",
        "include_archived=maybe",
      ]) {
        const { status, body } = await own.call<Read>("GET", `/v1/agents?${query}`);
        assert.equal(status, 400, `${query}: ${JSON.stringify(body)}`);
      }
    } finally {
      await own.close();
    }
  });
});
