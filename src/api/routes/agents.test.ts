import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { agentsApi } from "./testing-agents.ts";

const { call, create, update } = agentsApi();

const toolset = { type: "agent_toolset_20260401" };
const server = { type: "url", name: "s", url: "https://mcp.example.com" };
const mcpToolset = { type: "mcp_toolset", mcp_server_name: "s" };
const custom = (fields: object = {}) => ({
  type: "custom",
  name: "lookup",
  description: "Looks up",
  input_schema: { type: "object", properties: { q: { type: "string" } } },
  ...fields,
});
const webFetch = (fields: object) => ({ ...toolset, configs: [{ name: "web_fetch", ...fields }] });
const webSearch = (fields: object) => ({ ...toolset, configs: [{ name: "web_search", ...fields }] });

describe("create", () => {
  test("answers with everything resolved", async () => {
    const agent = await create({
      tools: [{ ...toolset, configs: [{ name: "bash", permission_policy: { type: "always_ask" } }] }],
      metadata: { team: "x" },
    });
    assert.match(agent.id, /^agent_01[0-9A-Za-z]{22}$/);
    assert.match(agent.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const allow = { enabled: true, permission_policy: { type: "always_allow" } };
    const plain = (name: string) => ({ type: name, name, ...allow });
    assert.deepEqual(agent, {
      id: agent.id,
      type: "agent",
      version: 1,
      name: "a",
      description: null,
      model: { id: "m", effort: { type: "high" }, speed: "standard" },
      system: null,
      tools: [
        {
          ...toolset,
          configs: [
            { ...plain("bash"), permission_policy: { type: "always_ask" } },
            ...["read", "write", "edit", "glob", "grep"].map(plain),
            { ...plain("web_fetch"), max_content_tokens: null, url_sources: null },
            { ...plain("web_search"), user_location: null },
          ],
          default_config: allow,
        },
      ],
      mcp_servers: [],
      skills: [],
      execution_identity: { type: "service_account" },
      multiagent: null,
      metadata: { team: "x" },
      created_at: agent.created_at,
      updated_at: agent.created_at,
      archived_at: null,
    });
    assert.deepEqual((await call("GET", `/v1/agents/${agent.id}`)).body, agent);
  });

  test("what it answers may be sent back", async () => {
    const agent = await create({
      tools: [
        webFetch({
          allowed_domains: ["Docs.Example.com/"],
          url_sources: {
            user_input: "none",
            server_tool_results: { type: "only", tools: [{ type: "tool_reference", name: "web_search" }] },
          },
        }),
        mcpToolset,
        custom(),
      ],
      mcp_servers: [server],
      skills: [{ type: "anthropic", skill_id: "xlsx" }],
    });
    const { name, model, tools, mcp_servers, skills, system, description, multiagent } = agent;
    const same = await update(agent.id, {
      name,
      model,
      tools,
      mcp_servers,
      skills,
      system,
      description,
      multiagent,
    });
    assert.deepEqual(same.body, agent);
  });

  const accepted: [string, object][] = [
    ["an effort as a word", { model: { id: "m", effort: "low" } }],
    [
      "an effort as an object",
      { model: { id: "m", effort: { type: "low" }, speed: "fast", inference_geo: "us" } },
    ],
    ["a path in a search domain", { tools: [webSearch({ blocked_domains: ["example.com/news"] })] }],
    ["a role", { execution_identity: { type: "aws_role", role_arn: "arn:aws:iam::1:role/x" } }],
    ["a name of 256 characters", { name: "n".repeat(256) }],
  ];
  for (const [what, fields] of accepted) {
    test(`takes ${what}`, async () => {
      await create(fields);
    });
  }

  const refused: [string, object, RegExp][] = [
    ["no name", { name: undefined }, /^name: is required$/],
    ["an empty name", { name: "" }, /^name: minimum string length is 1$/],
    ["a long name", { name: "n".repeat(257) }, /^name: maximum string length is 256$/],
    ["a NUL in the name", { name: "a\u0000" }, /^name: .*NUL/],
    ["a NUL in the system prompt", { system: "a\u0000b" }, /^system: .*NUL/],
    ["half a surrogate pair in metadata", { metadata: { a: "\ud800" } }, /^metadata\.a: .*surrogate/],
    ["a model of the wrong type", { model: 4 }, /^model: must be a string or an object$/],
    ["a model without id", { model: { speed: "fast" } }, /^model\.id: is required$/],
    [
      "an unknown effort",
      { model: { id: "m", effort: "huge" } },
      /^model\.effort: must be one of "low", "medium"/,
    ],
    ["an unknown region", { model: { id: "m", inference_geo: "eu" } }, /^model\.inference_geo: must be "us"/],
    ["a long system prompt", { system: "s".repeat(100_001) }, /^system: maximum string length is 100000$/],
    ["a long description", { description: "d".repeat(2049) }, /^description: /],
    ["unknown fields", { bogus: 1, tols: [] }, /^bogus: unknown field; tols: unknown field$/],
    ["an unknown nested field", { tools: [{ ...toolset, x: 1 }] }, /^tools\.0\.x: unknown field$/],
    [
      "an unknown tool type",
      { tools: [{ type: "shell" }] },
      /^tools\.0\.type: must be one of "agent_toolset_20260401"/,
    ],
    [
      "an unknown tool",
      { tools: [{ ...toolset, configs: [{ name: "sh" }] }] },
      /^tools\.0\.configs\.0\.name: must be one of "bash"/,
    ],
    [
      "a config of the wrong type",
      { tools: [{ ...toolset, configs: [{ name: "bash", type: "read" }] }] },
      /^tools\.0\.configs\.0\.type: must be "bash"$/,
    ],
    [
      "a tool configured twice",
      { tools: [{ ...toolset, configs: [{ name: "bash" }, { name: "bash" }] }] },
      /^tools\.0\.configs: configures a tool twice$/,
    ],
    [
      "an unknown policy",
      { tools: [{ ...toolset, default_config: { permission_policy: { type: "never" } } }] },
      /^tools\.0\.default_config\.permission_policy\.type: must be one of/,
    ],
    ["two agent toolsets", { tools: [toolset, toolset] }, /^tools\.1\.type: is listed twice$/],
    [
      "257 tools",
      { tools: Array.from({ length: 257 }, (_, i) => custom({ name: `t${i}` })) },
      /^tools: maximum array length is 256$/,
    ],
    ["an unused server", { mcp_servers: [server] }, /^mcp_servers\.0\.name: no mcp_toolset/],
    ["a dangling toolset", { tools: [mcpToolset] }, /^tools\.0\.mcp_server_name: "s" is not in mcp_servers$/],
    [
      "servers of one name",
      { tools: [mcpToolset], mcp_servers: [server, server] },
      /^mcp_servers\.1\.name: is listed twice$/,
    ],
    [
      "21 servers",
      { mcp_servers: Array.from({ length: 21 }, (_, i) => ({ ...server, name: `s${i}` })) },
      /^mcp_servers: maximum array length is 20$/,
    ],
    [
      "a server that is no URL",
      { tools: [mcpToolset], mcp_servers: [{ ...server, url: "ftp://x" }] },
      /^mcp_servers\.0\.url: must be an http/,
    ],
    ["a custom tool twice", { tools: [custom(), custom()] }, /^tools\.1\.name: is listed twice$/],
    [
      "a built-in name",
      { tools: [custom({ name: "bash" })] },
      /^tools\.0\.name: is the name of a built-in tool$/,
    ],
    ["a reserved prefix", { tools: [custom({ name: "mcp__x" })] }, /^tools\.0\.name: must not start with/],
    ["an empty description", { tools: [custom({ description: "" })] }, /^tools\.0\.description: minimum/],
    [
      "a $ref",
      { tools: [custom({ input_schema: { type: "object", properties: { a: { items: { $ref: "#" } } } } })] },
      /^tools\.0\.input_schema: must not hold \$ref$/,
    ],
    [
      "a top-level anyOf",
      { tools: [custom({ input_schema: { type: "object", anyOf: [] } })] },
      /^tools\.0\.input_schema\.anyOf: /,
    ],
    [
      "a bad property name",
      { tools: [custom({ input_schema: { type: "object", properties: { "a b": {} } } })] },
      /^tools\.0\.input_schema\.properties\.a b: is not a valid key/,
    ],
    [
      "an input schema of another type",
      { tools: [custom({ input_schema: { type: "array" } })] },
      /^tools\.0\.input_schema\.type: must be "object"$/,
    ],
    [
      "both domain lists",
      { tools: [webFetch({ allowed_domains: ["a.com"], blocked_domains: ["b.com"] })] },
      /allowed_domains and blocked_domains cannot be combined/,
    ],
    [
      "an empty domain list",
      { tools: [webFetch({ allowed_domains: [] })] },
      /^tools\.0\.configs\.0\.allowed_domains: must not be empty/,
    ],
    [
      "65 domains",
      { tools: [webFetch({ allowed_domains: Array.from({ length: 65 }, (_, i) => `a${i}.com`) })] },
      /maximum array length is 64/,
    ],
    [
      "a domain twice",
      { tools: [webFetch({ allowed_domains: ["a.com", "A.com/"] })] },
      /allowed_domains\.1: is listed twice$/,
    ],
    [
      "an IPv4 address",
      { tools: [webFetch({ allowed_domains: ["127.0.0.1"] })] },
      /allowed_domains\.0: .*not an IP address$/,
    ],
    [
      "an IPv4 address in hex",
      { tools: [webFetch({ allowed_domains: ["127.0.0.0x1"] })] },
      /allowed_domains\.0: /,
    ],
    ["an IPv6 address", { tools: [webFetch({ allowed_domains: ["[::1]"] })] }, /allowed_domains\.0: /],
    [
      "a single label",
      { tools: [webFetch({ allowed_domains: ["intra"] })] },
      /allowed_domains\.0: must be a full domain/,
    ],
    [
      "a local name",
      { tools: [webFetch({ allowed_domains: ["x.localhost"] })] },
      /allowed_domains\.0: must not be a local name$/,
    ],
    ["a scheme", { tools: [webFetch({ allowed_domains: ["https://a.com"] })] }, /without a scheme$/],
    ["a port", { tools: [webFetch({ allowed_domains: ["a.com:80"] })] }, /without a port/],
    ["a wildcard", { tools: [webFetch({ allowed_domains: ["*.a.com"] })] }, /wildcard/],
    ["a name beyond ASCII", { tools: [webFetch({ allowed_domains: ["bücher.example"] })] }, /punycode$/],
    ["a path in a fetch domain", { tools: [webFetch({ allowed_domains: ["a.com/x"] })] }, /without a path$/],
    [
      "no source of URLs",
      {
        tools: [
          webFetch({
            url_sources: {
              user_input: "none",
              client_tool_results: "none",
              server_tool_results: { type: "none" },
            },
          }),
        ],
      },
      /url_sources: must leave at least one source/,
    ],
    [
      "a server tool without a name",
      {
        tools: [
          webFetch({
            url_sources: { server_tool_results: { type: "only", tools: [{ type: "tool_reference" }] } },
          }),
        ],
      },
      /server_tool_results\.tools\.0\.name: is required$/,
    ],
    [
      "an unknown client tool",
      {
        tools: [
          webFetch({
            url_sources: {
              client_tool_results: { type: "only", tools: [{ type: "tool_reference", name: "x" }] },
            },
          }),
        ],
      },
      /client_tool_results\.tools\.0\.name: is not a custom tool/,
    ],
    [
      "skills without read",
      { skills: [{ type: "anthropic", skill_id: "pdf" }] },
      /^skills: need an agent toolset/,
    ],
    [
      "17 pairs",
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ""])) },
      /^metadata: holds more than 16 pairs$/,
    ],
    ["a long key", { metadata: { ["k".repeat(65)]: "" } }, /^metadata\.k+: .*maximum string length is 64$/],
    ["a long value", { metadata: { k: "v".repeat(513) } }, /^metadata\.k: maximum string length is 512$/],
    ["a value that is no string", { metadata: { k: 1 } }, /^metadata\.k: must be a string$/],
    [
      "an empty coordinator",
      { multiagent: { type: "coordinator", agents: [] } },
      /^multiagent\.agents: minimum array length is 1$/,
    ],
    [
      "two selves",
      { multiagent: { type: "coordinator", agents: [{ type: "self" }, { type: "self" }] } },
      /^multiagent\.agents: holds more than one "self"$/,
    ],
    [
      "an unknown agent",
      { multiagent: { type: "coordinator", agents: ["agent_01x"] } },
      /^multiagent\.agents\.0: agent agent_01x not found/,
    ],
    [
      "no one to spawn",
      {
        multiagent: {
          type: "multiagent_20261001",
          workflows: { type: "enabled", inline_agents: { type: "disabled" } },
        },
      },
      /^multiagent\.workflows\.predefined_agents: must name/,
    ],
  ];
  for (const [what, fields, message] of refused) {
    test(`refuses ${what}`, async () => {
      const { status, body } = await call("POST", "/v1/agents", { name: "a", model: "m", ...fields });
      assert.equal(status, 400);
      assert.equal(body.error.type, "invalid_request_error");
      assert.match(body.error.message, message);
    });
  }

  test("a refused metadata bag has its error code", async () => {
    const { body } = await call("POST", "/v1/agents", { name: "a", model: "m", metadata: { k: 1 } });
    assert.equal(body.error.details?.error_code, "invalid_metadata");
  });
});
