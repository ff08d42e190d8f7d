import { refusals } from "./harness/refusals.ts";

const { refuses, stillWorks } = refusals();

const agentBody = (more: object = {}) => ({ name: "a", model: "simulated", ...more });
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
const toolset = (more: object = {}) => ({ type: "agent_toolset_20260401", ...more });

refuses("agents", ({ facts, archivedAgent }) => [
  { what: "without a name", path: "/v1/agents", body: { model: "m" }, says: /name: is required/ },
  { what: "with an empty name", path: "/v1/agents", body: agentBody({ name: "" }) },
  { what: "with a name too long", path: "/v1/agents", body: agentBody({ name: "n".repeat(257) }) },
  { what: "with a NUL in the name", path: "/v1/agents", body: agentBody({ name: "a\u0000b" }) },
  {
    what: "with half a surrogate pair in the name",
    path: "/v1/agents",
    body: '{"name":"\\ud800","model":"m"}',
  },
  {
    what: "with a number for a name",
    path: "/v1/agents",
    body: agentBody({ name: 5 }),
    says: /name: must be a string/,
  },
  { what: "without a model", path: "/v1/agents", body: { name: "a" } },
  { what: "with null for a model", path: "/v1/agents", body: agentBody({ model: null }) },
  {
    what: "with an unknown effort",
    path: "/v1/agents",
    body: agentBody({ model: { id: "m", effort: "huge" } }),
  },
  { what: "with tools that are no list", path: "/v1/agents", body: agentBody({ tools: {} }) },
  {
    what: "with an unknown toolset",
    path: "/v1/agents",
    body: agentBody({ tools: [{ type: "nonsense" }] }),
    says: /tools\.0\.type/,
  },
  {
    what: "with an unknown tool",
    path: "/v1/agents",
    body: agentBody({ tools: [toolset({ configs: [{ name: "sudo" }] })] }),
    says: /tools\.0\.configs\.0\.name/,
  },
  {
    what: "with a tool configured twice",
    path: "/v1/agents",
    body: agentBody({ tools: [toolset({ configs: [{ name: "bash" }, { name: "bash" }] })] }),
  },
  {
    what: "with an unknown policy",
    path: "/v1/agents",
    body: agentBody({ tools: [toolset({ default_config: { permission_policy: { type: "sometimes" } } })] }),
  },
  { what: "with 17 pairs of metadata", path: "/v1/agents", body: agentBody({ metadata: pairs(17) }) },
  {
    what: "with a number in metadata",
    path: "/v1/agents",
    body: agentBody({ metadata: { a: 1 } }),
    says: /metadata\.a/,
  },
  { what: "with a NUL in the system prompt", path: "/v1/agents", body: agentBody({ system: "a\u0000" }) },
  {
    what: "with a dangling mcp_toolset",
    path: "/v1/agents",
    body: agentBody({ tools: [{ type: "mcp_toolset", mcp_server_name: "x" }] }),
  },
  {
    what: "with an unused MCP server",
    path: "/v1/agents",
    body: agentBody({ mcp_servers: [{ type: "url", name: "x", url: "https://x.example" }] }),
  },
  ...["authorization_token", "headers"].map((field) => ({
    what: `with ${field} for an MCP server`,
    path: "/v1/agents",
    body: agentBody({
      mcp_servers: [{ type: "url", name: "x", url: "https://x.example", [field]: "sk-0123456789" }],
      tools: [{ type: "mcp_toolset", mcp_server_name: "x" }],
    }),
    says: new RegExp(`^mcp_servers\\.0\\.${field}: unknown field; .*vault_ids$`),
  })),
  ...["secrets", "env", "credentials"].map((field) => ({
    what: `an environment with ${field}`,
    path: "/v1/environments",
    body: { name: "e", config: { type: "cloud", [field]: { API_KEY: "sk-0123456789" } } },
    says: new RegExp(`^config\\.${field}: unknown field; .*vault_ids$`),
  })),
  {
    what: "update with a stale version",
    path: `/v1/agents/${facts.agent_id}`,
    body: { version: 7 },
    status: 409,
  },
  { what: "update with version 0", path: `/v1/agents/${facts.agent_id}`, body: { version: 0 } },
  { what: "update with version 1.5", path: `/v1/agents/${facts.agent_id}`, body: { version: 1.5 } },
  { what: "update to no name", path: `/v1/agents/${facts.agent_id}`, body: { name: null } },
  { what: "update of an archived one", path: `/v1/agents/${archivedAgent}`, body: { name: "x" } },
  { what: "update of a missing one", path: "/v1/agents/agent_01missing", body: { name: "x" }, status: 404 },
  { what: "a missing one", path: "/v1/agents/agent_01missing", status: 404 },
  { what: "an id of another kind", path: `/v1/agents/${facts.environment_id}`, status: 404 },
  { what: "an id with a NUL", path: "/v1/agents/agent_%00", status: 404 },
  { what: "an id that is no UTF-8", path: "/v1/agents/agent_%ff%fe", status: 404 },
  { what: "an id with a broken escape", path: "/v1/agents/agent_%zz", status: 404 },
  { what: "an id with a quote", path: "/v1/agents/agent_'%3B--", status: 404 },
  { what: "an id without end", path: `/v1/agents/agent_${"x".repeat(5_000)}`, status: 404 },
  { what: "version 0", path: `/v1/agents/${facts.agent_id}?version=0` },
  { what: "version x", path: `/v1/agents/${facts.agent_id}?version=x` },
  { what: "a version that is not there", path: `/v1/agents/${facts.agent_id}?version=99`, status: 404 },
  {
    what: "a version beyond all numbers",
    path: `/v1/agents/${facts.agent_id}?version=99999999999999`,
    status: 404,
  },
  { what: "versions of a missing one", path: "/v1/agents/agent_01missing/versions", status: 404 },
  {
    what: "archive of a missing one",
    method: "POST",
    path: "/v1/agents/agent_01missing/archive",
    status: 404,
  },
]);

refuses("environments", ({ facts, archivedEnvironment }) => {
  const path = "/v1/environments";
  return [
    { what: "without a name", path, body: {} },
    { what: "with a NUL in the name", path, body: { name: "\u0000" } },
    {
      what: "of an unknown type",
      path,
      body: { name: "e", config: { type: "moon" } },
      says: /config\.type/,
    },
    {
      what: "with a URL for a host",
      path,
      body: {
        name: "e",
        config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["https://a.example/"] } },
      },
      says: /config\.networking\.allowed_hosts\.0/,
    },
    {
      what: "with packages but no way to them",
      path,
      body: {
        name: "e",
        config: { type: "cloud", networking: { type: "limited" }, packages: { pip: ["x"] } },
      },
    },
    {
      what: "with an option for a package",
      path,
      body: { name: "e", config: { type: "cloud", packages: { pip: ["--pre"] } } },
    },
    { what: "with a 65 character key", path, body: { name: "e", metadata: { ["k".repeat(65)]: "v" } } },
    {
      what: "changed in type",
      path: `${path}/${facts.environment_id}`,
      body: { config: { type: "self_hosted" } },
    },
    { what: "archived and updated", path: `${path}/${archivedEnvironment}`, body: { name: "x" } },
    { what: "deleted while in use", method: "DELETE", path: `${path}/${facts.environment_id}` },
    { what: "missing and deleted", method: "DELETE", path: `${path}/env_01missing`, status: 404 },
    { what: "missing", path: `${path}/env_01missing`, status: 404 },
    { what: "missing and archived", method: "POST", path: `${path}/env_01missing/archive`, status: 404 },
  ];
});

stillWorks();
