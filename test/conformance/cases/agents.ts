import assert from "node:assert/strict";
import { collected, saidIn } from "../../harness/session.ts";
import { says } from "../script.ts";
import { type Group, item } from "../suite.ts";
import { toolset } from "../tools.ts";

const server = (name: string) => ({ type: "url" as const, name, url: `https://${name}.example.com/mcp` });
const mcpToolset = (name: string) => ({ type: "mcp_toolset" as const, mcp_server_name: name });

export const agents: Group = {
  title: "Agents",
  items: [
    item(
      11,
      "A new agent has version 1, its tools resolved, and an effort",
      async ({ client, agent, model }) => {
        const created = await agent({ tools: [toolset], model: { id: model, effort: "low" } });
        assert.equal(created.version, 1);
        const [tools] = created.tools;
        assert.ok(tools?.type === "agent_toolset_20260401");
        assert.deepEqual(tools.default_config, {
          enabled: true,
          permission_policy: { type: "always_allow" },
        });
        assert.deepEqual(tools.configs.map(({ name }) => name).toSorted(), [
          "bash",
          "edit",
          "glob",
          "grep",
          "read",
          "web_fetch",
          "web_search",
          "write",
        ]);
        for (const { name, type } of tools.configs) assert.equal(type, name);
        assert.deepEqual(created.model.effort, { type: "low" });
        assert.deepEqual(await client.beta.agents.retrieve(created.id), created);
        assert.ok((await agent()).model.effort, "an agent that names no effort has none");
      },
    ),
    item(
      12,
      "An update of a stale `version` is a conflict, even when it would change nothing; without one it is applied",
      async ({ client, agent, refused }) => {
        const { id, name } = await agent();
        await client.beta.agents.update(id, { version: 1, description: "second" });
        await refused(409, "POST", `/v1/agents/${id}`, { body: { version: 1, name: "third" } });
        await refused(409, "POST", `/v1/agents/${id}`, { body: { version: 1, name } });
        assert.equal((await client.beta.agents.update(id, { name: "third" })).version, 3);
      },
    ),
    item(
      13,
      "An update that changes nothing keeps the version, and one that does adds one",
      async ({ client, agent }) => {
        const { id, name } = await agent({ system: "Be brief." });
        assert.equal((await client.beta.agents.update(id, { name, system: "Be brief." })).version, 1);
        assert.equal((await client.beta.agents.update(id, { name: "new", system: "Be long." })).version, 2);
      },
    ),
    item(
      14,
      "What an update leaves out stays; null and an empty text clear `system`; name and model cannot be cleared; metadata merges",
      async ({ client, agent, refused }) => {
        const { id, tools } = await agent({ system: "one", description: "d", metadata: { a: "1", b: "2" } });
        const cleared = await client.beta.agents.update(id, { system: null, metadata: { a: null } });
        assert.equal(cleared.system, null);
        assert.equal(cleared.description, "d");
        assert.deepEqual(cleared.tools, tools);
        assert.deepEqual(cleared.metadata, { b: "2" });
        await client.beta.agents.update(id, { system: "two" });
        assert.equal((await client.beta.agents.update(id, { system: "" })).system, null);
        for (const field of ["name", "model"]) {
          await refused(400, "POST", `/v1/agents/${id}`, { body: { [field]: null } });
        }
      },
    ),
    item(
      15,
      "MCP servers and their toolsets name each other, once each, and are at most 20",
      async ({ agent, refused, model }) => {
        const bad = (mcp_servers: object[], tools: object[]) =>
          refused(400, "POST", "/v1/agents", { body: { name: "a", model, mcp_servers, tools } });
        await agent({ mcp_servers: [server("a")], tools: [mcpToolset("a")] });
        await bad([server("a")], []);
        await bad([], [mcpToolset("a")]);
        await bad([server("a"), server("a")], [mcpToolset("a")]);
        const many = Array.from({ length: 21 }, (_, i) => `s${i}`);
        await bad(many.map(server), many.map(mcpToolset));
      },
    ),
    item(
      16,
      "A custom tool has a name of its own, a description and a plain object schema",
      async ({ agent, refused, model }) => {
        const good = {
          type: "custom" as const,
          name: "lookup",
          description: "Looks up.",
          input_schema: { type: "object" as const, properties: {} },
        };
        await agent({ tools: [good] });
        const bad = (...tools: object[]) =>
          refused(400, "POST", "/v1/agents", { body: { name: "a", model, tools } });
        await bad(good, good);
        await bad({ ...good, name: "bash" });
        await bad({ ...good, name: "mcp__lookup" });
        await bad({ ...good, description: "" });
        await bad({
          ...good,
          input_schema: { type: "object", properties: { a: { $ref: "#/$defs/a" } } },
        });
        await bad({ ...good, input_schema: { type: "object", anyOf: [{ required: ["a"] }] } });
      },
    ),
    item(
      17,
      "The domains of a web tool are allowed or blocked, never both, and are plain, distinct hostnames, 1 to 64",
      async ({ agent, refused, model }) => {
        await agent({
          tools: [{ ...toolset, configs: [{ name: "web_fetch", allowed_domains: ["a.com"] }] }],
        });
        const bad = (config: object) =>
          refused(400, "POST", "/v1/agents", {
            body: { name: "a", model, tools: [{ ...toolset, configs: [{ name: "web_fetch", ...config }] }] },
          });
        await bad({ allowed_domains: ["a.com"], blocked_domains: ["b.com"] });
        for (const allowed_domains of [
          [],
          ["192.0.2.1"],
          ["single"],
          Array.from({ length: 65 }, (_, i) => `d${i}.com`),
          ["a.com", "a.com"],
        ]) {
          await bad({ allowed_domains });
        }
      },
    ),
    item(
      18,
      "An archived agent is read-only and starts no sessions; those it has go on, and its versions stay",
      async ({ client, agent, session, sessionBody, refused, turn }) => {
        const { id } = await agent();
        const running = await session({ agent: id });
        const archived = await client.beta.agents.archive(id);
        assert.ok(archived.archived_at);
        assert.deepEqual(await client.beta.agents.archive(id), archived);
        await refused(400, "POST", `/v1/agents/${id}`, { body: { name: "new" } });
        await refused(400, "POST", "/v1/sessions", { body: await sessionBody({ agent: id }) });
        assert.equal(saidIn(await turn(running.id, says("on we go"))), "on we go");
        assert.equal((await client.beta.agents.retrieve(id, { version: 1 })).version, 1);
      },
    ),
    item(19, "Old versions can be read, and are listed newest first", async ({ client, agent }) => {
      const { id } = await agent({ system: "one" });
      await client.beta.agents.update(id, { system: "two" });
      await client.beta.agents.update(id, { system: "three" });
      assert.equal((await client.beta.agents.retrieve(id, { version: 1 })).system, "one");
      assert.equal((await client.beta.agents.retrieve(id, { version: 2 })).system, "two");
      const versions = await collected(client.beta.agents.versions.list(id));
      assert.deepEqual(
        versions.map(({ version, system }) => [version, system]),
        [
          [3, "three"],
          [2, "two"],
          [1, "one"],
        ],
      );
    }),
  ],
};
