import { refusals } from "./harness/refusals.ts";

const { refuses, stillWorks } = refusals();

const events = (...list: unknown[]) => ({ events: list });
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
const text = (value: unknown) => ({ type: "user.message", content: [{ type: "text", text: value }] });
const system = { type: "system.message", content: [{ type: "text", text: "Be brief." }] };
const limit = (amount: unknown, currency = "USD") => ({ type: "limit", max_list_cost: { amount, currency } });
const withContent = (...content: unknown[]) => events({ type: "user.message", content });

refuses("sessions", (ground) => {
  const { session, facts, archived } = ground;
  const sessionBody = (more: object = {}) => ({
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    ...more,
  });
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
    {
      what: "of a missing agent",
      path,
      body: sessionBody({ agent: "agent_01missing" }),
      status: 404,
    },
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
    { what: "of an archived agent", path, body: sessionBody({ agent: ground.archivedAgent }) },
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
      body: sessionBody({ environment_id: ground.archivedEnvironment }),
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
    {
      what: "with a NUL in a metadata key",
      path,
      body: sessionBody({ metadata: { "\u0000": "a" } }),
    },
    {
      what: "with half a surrogate pair in metadata",
      path,
      body: `{"agent":"${facts.agent_id}","environment_id":"${facts.environment_id}","metadata":{"a":"\\ud83d"}}`,
    },
    {
      what: "with resources",
      path,
      body: sessionBody({ resources: [{ type: "file", file_id: "file_01x" }] }),
      status: 404,
      says: /^resources.0.file_id: file file_01x not found/,
    },
    {
      what: "with a vault that is not there",
      path,
      body: sessionBody({ vault_ids: ["vlt_01x"] }),
      status: 404,
      says: /^vault vlt_01x not found$/,
    },
    {
      what: "with one vault twice",
      path,
      body: sessionBody({ vault_ids: ["vlt_01x", "vlt_01x"] }),
      says: /^vault_ids\.1: /,
    },
    ...["secrets", "environment_variables", "env", "sandbox"].map((field) => ({
      what: `with ${field}`,
      path,
      body: sessionBody({ [field]: { API_KEY: "sk-0123456789" } }),
      says: new RegExp(`^${field}: unknown field; .*vault_ids$`),
    })),
    ...["0", "-1", "25.00", "007", "", "1e3", "1 ", "1000000000000", 5, null].map((amount) => ({
      what: `with a budget of ${JSON.stringify(amount)}`,
      path,
      body: sessionBody({ budget: limit(amount) }),
      says: /budget\.max_list_cost\.amount/,
    })),
    {
      what: "with a budget in another currency",
      path,
      body: sessionBody({ budget: limit("1", "EUR") }),
      says: /budget\.max_list_cost\.currency/,
    },
    { what: "with a budget of another kind", path, body: sessionBody({ budget: { type: "soft" } }) },
    { what: "with a budget and no amount", path, body: sessionBody({ budget: { type: "limit" } }) },
    {
      what: "with a budget and a model without a price",
      path,
      body: {
        ...overriding({ model: "unheard-of" }),
        budget: limit("100"),
      },
      says: /budget: the model unheard-of, .* no list price/,
    },
    {
      what: "with a budget and a model without a price at that speed",
      path,
      body: {
        ...overriding({ model: { id: "simulated", speed: "fast" } }),
        budget: limit("100"),
      },
      says: /at fast speed/,
    },
    {
      what: "with a file in a self_hosted environment",
      path,
      body: sessionBody({
        environment_id: ground.selfHosted,
        resources: [{ type: "file", file_id: "file_x" }],
      }),
      says: /^Environment env_\w+ is a self-hosted environment. `resources` are not supported/,
    },
    {
      what: "with a toolset of an MCP server that it has not",
      path,
      body: overriding({ tools: [{ type: "mcp_toolset", mcp_server_name: "x" }] }),
      says: /^agent\.tools\.0\.mcp_server_name: /,
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
    {
      what: "update of the agent's model",
      path: own,
      body: { agent: { model: "simulated" } },
      says: /model/,
    },
    { what: "update of the vaults", path: own, body: { vault_ids: [] }, says: /vault_ids/ },
    { what: "update of the budget of another kind", path: own, body: { budget: { type: "soft" } } },
    {
      what: "a budget that comes later",
      path: own,
      body: { budget: limit("100") },
      says: /budget: can only be set when/,
    },
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

refuses("events", ({ session, archived }) => {
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
    { what: "with a system message alone", path, body: events(system), says: /events\.0: .*directly follow/ },
    { what: "with two system messages", path, body: events(text("x"), system, system), says: /events\.1/ },
    {
      what: "with a system message before another message",
      path,
      body: events(text("x"), system, text("y")),
      says: /events\.1: .*last event/,
    },
    {
      what: "with a system message after an interrupt",
      path,
      body: events({ type: "user.interrupt" }, system),
      says: /events\.1: .*directly follow/,
    },
    {
      what: "with a system message of an image",
      path,
      body: events(text("x"), { type: "system.message", content: [{ type: "image" }] }),
    },
    {
      what: "with an empty system message",
      path,
      body: events(text("x"), { type: "system.message", content: [] }),
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

stillWorks();
