import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { beta, startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { type Facts, listed, message, newSession, prepare, turn } from "./harness/session.ts";

let api: TestServer;
let facts: Facts;
let session: string;
let archived: string;
let archivedAgent: string;
let archivedEnvironment: string;
let selfHosted: string;
let withPackages: string;
/** A cursor of the list of sessions, one of another session's events, and one of a stream. */
let cursors: { sessions: string; events: string; stream: string };

before(async () => {
  api = await startTestServer();
  const { client } = api;
  facts = await prepare(client);
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.push((await newSession(client, facts)).id);
  session = ids[0] ?? "";
  archived = ids[1] ?? "";
  await turn(client, session, "say hi");
  await client.beta.sessions.archive(archived);
  const others = await prepare(client);
  archivedAgent = (await client.beta.agents.archive(others.agent_id)).id;
  archivedEnvironment = (await client.beta.environments.archive(others.environment_id)).id;
  selfHosted = (await client.beta.environments.create({ name: "own", config: { type: "self_hosted" } })).id;
  withPackages = (
    await client.beta.environments.create({
      name: "pip",
      config: { type: "cloud", packages: { pip: ["numpy"] } },
    })
  ).id;
  const sessions = await client.beta.sessions.list({ limit: 1 });
  const events = await client.beta.sessions.events.list(session, { limit: 1 });
  const [newest] = await api.db.query<{ incarnation: string }>(
    { name: "log", text: "select incarnation from log" },
    [],
  );
  cursors = {
    sessions: sessions.next_page ?? "",
    events: events.next_page ?? "",
    stream: `${newest?.incarnation}-1`,
  };
});
after(() => api.close());

interface Bad {
  what: string;
  method?: string;
  path: string;
  /** A value is sent as JSON, a string or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string | null>;
  status?: number;
  /** What the message must say. */
  says?: RegExp;
}

/** Everything that the requests below must leave as it is. */
const tables = ["agent", "agent_version", "environment", "session", "session_head", "thread", "event"];
async function contents(): Promise<string[]> {
  return Promise.all(
    tables.map(async (table) => {
      const [row] = await api.db.query<{ all: string }>(
        {
          name: `all_of_${table}`,
          text: `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as all
            from ${table === "session_head" ? "(select session_id, seq, last_at, status, lease_epoch, usage::text from session_head)" : table} t`,
        },
        [],
      );
      return `${table} ${row?.all}`;
    }),
  );
}

async function ask({ method, path, body, headers = {} }: Bad): Promise<Response> {
  const sent: Record<string, string> = {};
  const all = {
    "x-api-key": testKey,
    "anthropic-version": "2026-10-21",
    "anthropic-beta": beta,
    "content-type": "application/json",
    ...headers,
  };
  for (const [name, value] of Object.entries(all)) if (value !== null) sent[name] = value;
  return fetch(`${api.url}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: sent,
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
    }),
  });
}

const types: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  409: "conflict_error",
  413: "request_too_large",
};

async function assertRefused(bad: Bad): Promise<void> {
  const answer = await ask(bad);
  // A stream that was not refused would never end.
  const text = answer.ok ? "" : await answer.text();
  if (answer.ok) await answer.body?.cancel();
  const about = `${bad.method ?? ""} ${bad.path.slice(0, 200)}: ${answer.status} ${text.slice(0, 500)}`;
  assert.equal(answer.status, bad.status ?? 400, about);
  const requestId = answer.headers.get("request-id");
  assert.match(requestId ?? "", /^req_01[A-Za-z0-9]{22}$/, about);
  if (bad.method === "HEAD") return;
  const body = JSON.parse(text);
  assert.equal(body.type, "error", about);
  assert.equal(body.error.type, types[answer.status], about);
  assert.ok(body.error.message.length > 0 && body.error.message.length < 4_000, about);
  assert.equal(body.request_id, requestId, about);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/, about);
  if (bad.says) assert.match(body.error.message, bad.says, about);
}

function suite(name: string, cases: () => Bad[]): void {
  test(name, async (context) => {
    const before = await contents();
    const all = cases();
    assert.ok(all.length > 0);
    for (const bad of all) await context.test(bad.what, () => assertRefused(bad));
    assert.deepEqual(await contents(), before, "something was changed");
    assert.equal((await fetch(`${api.url}/healthz`)).status, 200);
  });
}

const agentBody = (more: object = {}) => ({ name: "a", model: "simulated", ...more });
const sessionBody = (more: object = {}) => ({
  agent: facts.agent_id,
  environment_id: facts.environment_id,
  ...more,
});
const events = (...list: unknown[]) => ({ events: list });
const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
const toolset = (more: object = {}) => ({ type: "agent_toolset_20260401", ...more });
const text = (value: unknown) => ({ type: "user.message", content: [{ type: "text", text: value }] });
const withContent = (...content: unknown[]) => events({ type: "user.message", content });
const mebibytes = (count: number) => "x".repeat(count << 20);

describe("refused, and nothing changes", () => {
  suite("bodies that are no JSON object", () =>
    [
      "/v1/agents",
      "/v1/environments",
      "/v1/sessions",
      `/v1/agents/${facts.agent_id}`,
      `/v1/environments/${facts.environment_id}`,
      `/v1/sessions/${session}`,
      `/v1/sessions/${session}/events`,
    ].flatMap((path): Bad[] => [
      { what: `${path}: empty`, path, body: "" },
      { what: `${path}: cut short`, path, body: '{"name":' },
      { what: `${path}: a word`, path, body: "hello" },
      { what: `${path}: null`, path, body: "null" },
      { what: `${path}: a list`, path, body: "[]" },
      { what: `${path}: a number`, path, body: "1e999" },
      { what: `${path}: a text`, path, body: '"text"' },
      { what: `${path}: two values`, path, body: "{}{}" },
      { what: `${path}: a trailing comma`, path, body: '{"a":1,}' },
      {
        what: `${path}: no UTF-8`,
        path,
        body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
      },
      {
        what: `${path}: a byte order mark of UTF-16`,
        path,
        body: new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
      },
      { what: `${path}: nested without end`, path, body: deep(100_000) },
      { what: `${path}: nested in a field`, path, body: `{"metadata":${deep(5_000)}}` },
      { what: `${path}: __proto__`, path, body: '{"__proto__":{"admin":true}}', says: /__proto__/ },
      { what: `${path}: an unknown field`, path, body: { surprise: 1 }, says: /surprise/ },
      {
        what: `${path}: a form`,
        path,
        body: "a=1",
        headers: { "content-type": "application/x-www-form-urlencoded" },
      },
      { what: `${path}: plain text`, path, body: "{}", headers: { "content-type": "text/plain" } },
      {
        what: `${path}: another charset`,
        path,
        body: "{}",
        headers: { "content-type": "application/json; charset=latin1" },
      },
      { what: `${path}: compressed`, path, body: "{}", headers: { "content-encoding": "gzip" } },
    ]));

  suite("bodies larger than 32 MB", () => [
    { what: "agents", path: "/v1/agents", body: `{"name":"${mebibytes(33)}"}`, status: 413 },
    {
      what: "events",
      path: `/v1/sessions/${session}/events`,
      body: JSON.stringify(events(text(mebibytes(33)))),
      status: 413,
    },
  ]);

  suite("agents", () => [
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

  suite("environments", () => {
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

  suite("sessions", () => {
    const path = "/v1/sessions";
    const own = `${path}/${session}`;
    const overriding = (more: object) =>
      sessionBody({ agent: { type: "agent_with_overrides", id: facts.agent_id, ...more } });
    const initial = (...list: unknown[]) => sessionBody({ initial_events: list });
    return [
      {
        what: "without an agent",
        path,
        body: { environment_id: facts.environment_id },
        says: /agent: is required/,
      },
      { what: "without an environment", path, body: { agent: facts.agent_id } },
      { what: "of a missing agent", path, body: sessionBody({ agent: "agent_01missing" }), status: 404 },
      {
        what: "of a missing version",
        path,
        body: sessionBody({ agent: { type: "agent", id: facts.agent_id, version: 99 } }),
        status: 404,
      },
      {
        what: "of version 2 to the 40",
        path,
        body: sessionBody({ agent: { type: "agent", id: facts.agent_id, version: 2 ** 40 } }),
        status: 404,
      },
      { what: "of an archived agent", path, body: sessionBody({ agent: archivedAgent }) },
      { what: "of an id of another kind", path, body: sessionBody({ agent: facts.environment_id }) },
      { what: "of an agent by number", path, body: sessionBody({ agent: 7 }) },
      { what: "of an unknown agent reference", path, body: sessionBody({ agent: { type: "self" } }) },
      {
        what: "in a missing environment",
        path,
        body: sessionBody({ environment_id: "env_01missing" }),
        status: 404,
      },
      {
        what: "in an archived environment",
        path,
        body: sessionBody({ environment_id: archivedEnvironment }),
      },
      { what: "with a NUL in the title", path, body: sessionBody({ title: "a\u0000b" }) },
      {
        what: "with half a surrogate pair in the title",
        path,
        body: `{"agent":"${facts.agent_id}","environment_id":"${facts.environment_id}","title":"\\udc00"}`,
      },
      { what: "with a title too long", path, body: sessionBody({ title: "t".repeat(1_001) }) },
      {
        what: "with 17 pairs of metadata",
        path,
        body: sessionBody({ metadata: pairs(17) }),
        says: /metadata/,
      },
      {
        what: "with a value of 513 characters",
        path,
        body: sessionBody({ metadata: { a: "v".repeat(513) } }),
      },
      { what: "with a NUL in metadata", path, body: sessionBody({ metadata: { a: "\u0000" } }) },
      { what: "with a NUL in a metadata key", path, body: sessionBody({ metadata: { "\u0000": "a" } }) },
      {
        what: "with half a surrogate pair in metadata",
        path,
        body: `{"agent":"${facts.agent_id}","environment_id":"${facts.environment_id}","metadata":{"a":"\\ud83d"}}`,
      },
      {
        what: "with resources",
        path,
        body: sessionBody({ resources: [{ type: "file", file_id: "file_01x" }] }),
        says: /resources/,
      },
      { what: "with vaults", path, body: sessionBody({ vault_ids: ["vlt_01x"] }), says: /vault_ids/ },
      {
        what: "with a budget",
        path,
        body: sessionBody({ budget: { type: "limit", max_list_cost: { amount: "1", currency: "USD" } } }),
        says: /budget/,
      },
      {
        what: "in a self_hosted environment",
        path,
        body: sessionBody({ environment_id: selfHosted }),
        says: /environment_id.*self_hosted/,
      },
      {
        what: "in an environment with packages",
        path,
        body: sessionBody({ environment_id: withPackages }),
        says: /packages\.pip/,
      },
      {
        what: "with a tool that must ask",
        path,
        body: overriding({
          tools: [toolset({ configs: [{ name: "bash", permission_policy: { type: "always_ask" } }] })],
        }),
        says: /always_ask/,
      },
      {
        what: "with all tools to be asked for",
        path,
        body: overriding({
          tools: [toolset({ default_config: { permission_policy: { type: "always_ask" } } })],
        }),
        says: /always_ask/,
      },
      {
        what: "with a tool that the server judges",
        path,
        body: overriding({
          tools: [toolset({ configs: [{ name: "bash", permission_policy: { type: "auto" } }] })],
        }),
        says: /auto/,
      },
      {
        what: "with a custom tool",
        path,
        body: overriding({
          tools: [
            {
              type: "custom",
              name: "mine",
              description: "d",
              input_schema: { type: "object", properties: {} },
            },
          ],
        }),
        says: /custom/,
      },
      {
        what: "with an MCP server",
        path,
        body: overriding({
          mcp_servers: [{ type: "url", name: "x", url: "https://x.example" }],
          tools: [{ type: "mcp_toolset", mcp_server_name: "x" }],
        }),
        says: /mcp/i,
      },
      {
        what: "with a skill",
        path,
        body: overriding({ skills: [{ type: "anthropic", skill_id: "xlsx" }] }),
        says: /skills/,
      },
      { what: "with no model", path, body: overriding({ model: null }), says: /model/ },
      { what: "with initial events that are no list", path, body: sessionBody({ initial_events: {} }) },
      { what: "with an interrupt to begin with", path, body: initial({ type: "user.interrupt" }) },
      {
        what: "with a system message to begin with",
        path,
        body: initial({ type: "system.message", content: [{ type: "text", text: "x" }] }),
      },
      {
        what: "with an outcome",
        path,
        body: initial({
          type: "user.define_outcome",
          description: "d",
          rubric: { type: "text", content: "r" },
        }),
        says: /define_outcome/,
      },
      {
        what: "with two outcomes",
        path,
        body: initial(
          ...Array(2).fill({
            type: "user.define_outcome",
            description: "d",
            rubric: { type: "text", content: "r" },
          }),
        ),
      },
      { what: "with 51 initial events", path, body: initial(...Array(51).fill(text("x"))) },
      {
        what: "with one bad initial event of two",
        path,
        body: initial(text("x"), text("")),
        says: /initial_events\.1\.content\.0\.text/,
      },
      { what: "update of a title to a number", path: own, body: { title: 4 } },
      { what: "update of the title with a NUL", path: own, body: { title: "\u0000" } },
      { what: "update of metadata with a NUL", path: own, body: { metadata: { a: "\u0000" } } },
      { what: "update of metadata to 17 pairs", path: own, body: { metadata: pairs(17) } },
      { what: "update of the agent", path: own, body: { agent: { tools: [] } }, says: /agent/ },
      { what: "update of the vaults", path: own, body: { vault_ids: [] }, says: /vault_ids/ },
      { what: "update of the budget", path: own, body: { budget: { type: "limit" } }, says: /budget/ },
      { what: "update of an archived one", path: `${path}/${archived}`, body: { title: "x" } },
      { what: "update of a missing one", path: `${path}/sesn_01missing`, body: { title: "x" }, status: 404 },
      { what: "a missing one", path: `${path}/sesn_01missing`, status: 404 },
      {
        what: "archive of a missing one",
        method: "POST",
        path: `${path}/sesn_01missing/archive`,
        status: 404,
      },
      { what: "delete of a missing one", method: "DELETE", path: `${path}/sesn_01missing`, status: 404 },
      { what: "an id of another kind", path: `${path}/${facts.agent_id}`, status: 404 },
    ];
  });

  suite("events", () => {
    const path = `/v1/sessions/${session}/events`;
    const image = (source: object) => withContent({ type: "image", source });
    const document = (source: object) => withContent({ type: "document", source });
    return [
      { what: "without any", path, body: events() },
      { what: "that are no list", path, body: { events: {} } },
      { what: "that are null", path, body: events(null) },
      { what: "without a type", path, body: events({}), says: /events\.0\.type/ },
      { what: "of an unknown type", path, body: events({ type: "user.shout" }), says: /events\.0\.type/ },
      { what: "of a type that only the server makes", path, body: events({ type: "session.status_idle" }) },
      {
        what: "with an id of their own",
        path,
        body: events({ ...text("x"), id: "sevt_01x" }),
        says: /events\.0\.id/,
      },
      { what: "without content", path, body: events({ type: "user.message" }) },
      { what: "with empty content", path, body: withContent() },
      { what: "with text for content", path, body: events({ type: "user.message", content: "hi" }) },
      {
        what: "with an empty text",
        path,
        body: events(text("")),
        says: /events\.0\.content\.0\.text: minimum string length is 1/,
      },
      { what: "with a number for a text", path, body: events(text(5)), says: /events\.0\.content\.0\.text/ },
      { what: "with an unknown block", path, body: withContent({ type: "video" }) },
      { what: "with a redacted block", path, body: withContent({ type: "redacted" }) },
      {
        what: "with a tool result block",
        path,
        body: withContent({ type: "tool_result", tool_use_id: "x", content: [] }),
      },
      {
        what: "with a cache mark",
        path,
        body: withContent({ type: "text", text: "x", cache_control: { type: "ephemeral" } }),
      },
      {
        what: "with one bad one of three",
        path,
        body: events(text("a"), { type: "nope" }, text("c")),
        says: /events\.1\.type/,
      },
      {
        what: "with an image that is no base64",
        path,
        body: image({ type: "base64", media_type: "image/png", data: "***" }),
      },
      {
        what: "with an image of another kind",
        path,
        body: image({ type: "base64", media_type: "image/tiff", data: "AAAA" }),
      },
      {
        what: "with an image from a file",
        path,
        body: image({ type: "file", file_id: "file_01x" }),
        says: /events\.0\.content\.0\.source/,
      },
      { what: "with an image from the host", path, body: image({ type: "url", url: "file:///etc/passwd" }) },
      {
        what: "with a document from a file",
        path,
        body: document({ type: "file", file_id: "file_01x" }),
        says: /events\.0\.content\.0\.source/,
      },
      { what: "with a document from nowhere", path, body: document({ type: "url", url: "nowhere" }) },
      {
        what: "interrupting another thread",
        path,
        body: events({ type: "user.interrupt", session_thread_id: "sthr_01other" }),
        says: /session_thread_id/,
      },
      {
        what: "interrupting no thread id",
        path,
        body: events({ type: "user.interrupt", session_thread_id: "x" }),
      },
      {
        what: "confirming an unknown call",
        path,
        body: events({ type: "user.tool_confirmation", tool_use_id: "sevt_01x", result: "allow" }),
        says: /tool_use_id "sevt_01x" does not match/,
      },
      {
        what: "answering an unknown custom tool",
        path,
        body: events({ type: "user.custom_tool_result", custom_tool_use_id: "sevt_01x" }),
        says: /sevt_01x/,
      },
      {
        what: "answering an unknown tool",
        path,
        body: events({ type: "user.tool_result", tool_use_id: "sevt_01x" }),
        says: /sevt_01x/,
      },
      {
        what: "defining an outcome",
        path,
        body: events({
          type: "user.define_outcome",
          description: "d",
          rubric: { type: "text", content: "r" },
        }),
        says: /define_outcome/,
      },
      {
        what: "with a system message",
        path,
        body: events(text("x"), { type: "system.message", content: [{ type: "text", text: "x" }] }),
        says: /system\.message/,
      },
      {
        what: "to an archived session",
        path: `/v1/sessions/${archived}/events`,
        body: events(text("x")),
        says: /Cannot send events to archived session/,
      },
      {
        what: "to a missing session",
        path: "/v1/sessions/sesn_01missing/events",
        body: events(text("x")),
        status: 404,
      },
      { what: "of a missing session", path: "/v1/sessions/sesn_01missing/events", status: 404 },
      { what: "of a missing thread", path: `/v1/sessions/${session}/threads/sthr_01x/events`, status: 404 },
      { what: "1,001 at once", path, body: events(...Array(1_001).fill(text("x"))) },
    ];
  });

  suite("queries", () => {
    const lists = [
      "/v1/agents",
      `/v1/agents/${facts.agent_id}/versions`,
      "/v1/environments",
      "/v1/sessions",
      `/v1/sessions/${session}/events`,
      `/v1/sessions/${session}/threads`,
    ];
    const own = `/v1/sessions/${session}/events`;
    return [
      ...lists.flatMap((path): Bad[] => [
        { what: `${path}: limit 0`, path: `${path}?limit=0`, says: /limit/ },
        { what: `${path}: limit -1`, path: `${path}?limit=-1`, says: /limit/ },
        { what: `${path}: limit x`, path: `${path}?limit=x`, says: /limit/ },
        { what: `${path}: limit 1.5`, path: `${path}?limit=1.5` },
        { what: `${path}: limit 1e9`, path: `${path}?limit=1000000000` },
        { what: `${path}: two limits`, path: `${path}?limit=1&limit=2` },
        { what: `${path}: an unknown parameter`, path: `${path}?surprise=1`, says: /surprise/ },
        { what: `${path}: an unknown list`, path: `${path}?surprise[]=1`, says: /surprise/ },
        { what: `${path}: a nested key`, path: `${path}?limit[a][b]=1`, says: /limit\[a\]\[b\]/ },
        { what: `${path}: __proto__`, path: `${path}?__proto__[a]=1`, says: /__proto__/ },
        { what: `${path}: limits by key`, path: `${path}?limit[gte]=1` },
        { what: `${path}: a page that is no cursor`, path: `${path}?page=xyz`, says: /page/ },
        { what: `${path}: a page without end`, path: `${path}?page=${"A".repeat(3_000)}`, says: /page/ },
        {
          what: `${path}: a page of another list`,
          path: `${path}?page=${path === "/v1/sessions" ? cursors.events : cursors.sessions}`,
          says: /page/,
        },
        {
          what: `${path}: a page that is JSON of ours with other things in it`,
          path: `${path}?page=${Buffer.from('{"list":"sessions","order":"desc","back":false,"position":{"at":"now","id":5}}').toString("base64url")}`,
        },
      ]),
      { what: "a cursor with another order", path: `/v1/sessions?order=asc&page=${cursors.sessions}` },
      {
        what: "a cursor outside the range",
        path: `/v1/sessions?created_at[gt]=2999-01-01T00:00:00Z&page=${cursors.sessions}`,
      },
      {
        what: "an unknown bound",
        path: "/v1/sessions?created_at[after]=2026-01-01T00:00:00Z",
        says: /created_at\.after/,
      },
      {
        what: "agents by an open range",
        path: "/v1/agents?created_at[gt]=2026-01-01T00:00:00Z",
        says: /created_at\.gt/,
      },
      {
        what: "environments by time",
        path: "/v1/environments?created_at[gte]=2026-01-01T00:00:00Z",
        says: /created_at/,
      },
      { what: "a parameter where there is none", path: `/v1/sessions/${session}?limit=1`, says: /limit/ },
      { what: "an unknown parameter of a stream", path: `${own}/stream?from=0`, says: /from/ },
      { what: "an unknown order", path: "/v1/sessions?order=random" },
      { what: "an unknown status", path: "/v1/sessions?statuses[]=asleep" },
      { what: "101 statuses", path: `/v1/sessions?${"statuses[]=idle&".repeat(101)}` },
      { what: "a version without an agent", path: "/v1/sessions?agent_version=1" },
      {
        what: "an agent version beyond all numbers",
        path: `/v1/sessions?agent_id=${facts.agent_id}&agent_version=-5`,
      },
      {
        what: "an agent version that no column holds",
        path: `/v1/sessions?agent_id=${facts.agent_id}&agent_version=99999999999`,
        says: /agent_version: must be at most 2147483647/,
      },
      {
        what: "a year that an offset takes beyond 9999",
        path: "/v1/sessions?created_at[lt]=9999-12-31T23:59:59-23:00",
        says: /created_at\.lt/,
      },
      { what: "a year 0 by its offset", path: "/v1/sessions?created_at[gte]=0001-01-01T00:00:00%2B23:00" },
      { what: "a time that is none", path: "/v1/sessions?created_at[gte]=yesterday" },
      { what: "a time without a zone", path: "/v1/sessions?created_at[gte]=2026-01-01T00:00:00" },
      { what: "a day that is none", path: "/v1/sessions?created_at[gte]=2026-02-31T00:00:00Z" },
      { what: "the year 0", path: "/v1/sessions?created_at[gte]=0000-01-01T00:00:00Z" },
      { what: "a time without a bound", path: "/v1/sessions?created_at=2026-01-01T00:00:00Z" },
      { what: "a truth that is none", path: "/v1/sessions?include_archived=perhaps" },
      { what: "an agent with a NUL", path: "/v1/sessions?agent_id=%00" },
      { what: "an agent without end", path: `/v1/sessions?agent_id=${"a".repeat(101)}` },
      { what: "an unknown type of event", path: `${own}?types[]=agent.shout` },
      { what: "a cursor of a stream for a page", path: `${own}?page=${cursors.stream}` },
      { what: "a stream after nonsense", path: `${own}/stream?after=nonsense` },
      { what: "a stream after what is to come", path: `${own}/stream?after=${cursors.stream}000` },
      { what: "a stream after a NUL", path: `${own}/stream?after=%00` },
      { what: "a stream after two things", path: `${own}/stream?after=0&after=1` },
      {
        what: "a stream with an id of nonsense",
        path: `${own}/stream`,
        headers: { "last-event-id": "nonsense" },
      },
      { what: "a stream with previews", path: `${own}/stream?event_deltas[]=agent.message` },
      {
        what: "a stream of a missing session",
        path: "/v1/sessions/sesn_01missing/events/stream",
        status: 404,
      },
      {
        what: "a stream of a missing thread",
        path: `/v1/sessions/${session}/threads/sthr_01x/stream`,
        status: 404,
      },
    ];
  });

  suite("headers, methods and paths", (): Bad[] => [
    { what: "no key", path: "/v1/agents", headers: { "x-api-key": null }, status: 401 },
    { what: "a wrong key", path: "/v1/agents", headers: { "x-api-key": "wrong" }, status: 401 },
    {
      what: "an empty bearer",
      path: "/v1/agents",
      headers: { "x-api-key": null, authorization: "Bearer " },
      status: 401,
    },
    {
      what: "a key without end",
      path: "/v1/agents",
      headers: { "x-api-key": "k".repeat(8_000) },
      status: 401,
    },
    {
      what: "basic auth",
      path: "/v1/agents",
      headers: { "x-api-key": null, authorization: "Basic dTpw" },
      status: 401,
    },
    {
      what: "another workspace",
      path: "/v1/agents",
      headers: { "anthropic-workspace-id": "wrkspc_other" },
      status: 403,
    },
    { what: "an unknown version", path: "/v1/agents", headers: { "anthropic-version": "1999-01-01" } },
    { what: "no beta header", path: "/v1/sessions", headers: { "anthropic-beta": null }, status: 404 },
    {
      what: "another beta header",
      path: "/v1/sessions",
      headers: { "anthropic-beta": "files-api-2025-04-14" },
      status: 404,
    },
    {
      what: "no beta header on a stream",
      path: `/v1/sessions/${session}/events/stream`,
      headers: { "anthropic-beta": null },
      status: 404,
    },
    { what: "PUT", method: "PUT", path: `/v1/sessions/${session}`, body: {}, status: 405 },
    { what: "PATCH", method: "PATCH", path: `/v1/agents/${facts.agent_id}`, body: {}, status: 405 },
    { what: "DELETE of an agent", method: "DELETE", path: `/v1/agents/${facts.agent_id}`, status: 405 },
    { what: "DELETE of all sessions", method: "DELETE", path: "/v1/sessions", status: 405 },
    {
      what: "POST to a stream",
      method: "POST",
      path: `/v1/sessions/${session}/events/stream`,
      body: {},
      status: 405,
    },
    { what: "HEAD of a stream", method: "HEAD", path: `/v1/sessions/${session}/events/stream`, status: 405 },
    { what: "GET of an archive", path: `/v1/sessions/${session}/archive`, status: 405 },
    { what: "a path that is not there", path: "/v1/nothing", status: 404 },
    { what: "the root", path: "/", status: 404 },
    { what: "a way up", path: "/v1/agents/..%2f..%2fetc%2fpasswd", status: 404 },
    { what: "two slashes", path: "//v1//agents", status: 404 },
    { what: "a broken escape", path: "/v1/%", status: 404 },
  ]);
});

test("times in any offset that RFC 3339 knows are taken, in filters and in cursors", async () => {
  const forged = Buffer.from(
    JSON.stringify({
      list: "sessions",
      order: "desc",
      back: false,
      position: { at: "9999-01-01T00:00:00.123456+23:59", id: "x" },
    }),
  ).toString("base64url");
  const paths = [
    "/v1/agents?created_at[gte]=2026-01-01T00:00:00%2B23:00",
    "/v1/sessions?created_at[gte]=2026-01-01T00:00:00.5%2B23:00",
    "/v1/sessions?created_at[gt]=2026-01-01T00:00:00-23:59",
    `/v1/sessions/${session}/events?created_at[gte]=2026-01-01T00:00:00%2B23:00`,
    `/v1/sessions?page=${forged}`,
  ];
  for (const path of paths) {
    const answer = await ask({ what: "", path });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text.slice(0, 500)}`);
    assert.ok(JSON.parse(text).data.length > 0, path);
  }
});

/** Sends bytes as they are and reads what comes back until the connection closes or says enough. */
function talk(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk;
      if (/\r\n\r\n.*\}$/s.test(heard)) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(heard));
  });
}

describe("what HTTP itself refuses", () => {
  test("is a 4xx with the envelope, and the server goes on", async () => {
    const broken = [
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "SHOUT /v1/agents HTTP/1.1\r\nhost: a\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a b\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a/b\r\n\r\n",
      "GET http://[/v1/agents HTTP/1.1\r\nhost: a\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
      `GET /v1/agents?x=${"y".repeat(100_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
      `GET /v1/agents HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}\r\n\r\n`,
      "POST /v1/agents HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
      "POST /v1/agents HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    ];
    for (const bytes of broken) {
      const answer = await talk(bytes);
      const about = `${bytes.slice(0, 60)}: ${answer}`;
      assert.match(answer, bytes.length > 50_000 ? /^HTTP\/1\.1 431 / : /^HTTP\/1\.1 400 /, about);
      const body = JSON.parse(answer.split("\r\n\r\n")[1] ?? "");
      assert.equal(body.type, "error", about);
      assert.equal(body.error.type, "invalid_request_error", about);
      assert.match(body.request_id, /^req_01[A-Za-z0-9]{22}$/, about);
      assert.equal(/^request-id: (.*)$/im.exec(answer)?.[1]?.trim(), body.request_id, about);
    }
    assert.equal((await fetch(`${api.url}/healthz`)).status, 200);
  });

  test("a body that is cut off changes nothing", async () => {
    const before = await contents();
    await new Promise<void>((resolve) => {
      const request = httpRequest(`${api.url}/v1/agents`, {
        method: "POST",
        headers: {
          "x-api-key": testKey,
          "anthropic-beta": beta,
          "content-type": "application/json",
          "content-length": 500,
        },
      });
      request.on("error", () => {});
      request.on("close", () => resolve());
      request.write('{"name":"half');
      request.once("socket", (socket) => socket.once("connect", () => setImmediate(() => request.destroy())));
    });
    assert.deepEqual(await contents(), before);
  });
});

test("after all of it the session still works", async () => {
  const events = await turn(api.client, session, "say still here");
  assert.ok(events.some((event) => event.type === "agent.message"));
  assert.ok((await listed(api.client, session)).length > 0);
  await api.client.beta.sessions.events.send(session, { events: [message("say bye")] });
});
