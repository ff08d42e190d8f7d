import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readerVersion } from "../../log/entry.ts";
import { type SessionRow, toSession } from "./row.ts";

const at = "2026-11-21T10:00:00Z";
const due = "2026-11-21T10:00:05Z";

/** An idle session at rest. */
const row: SessionRow = {
  id: "sesn_1",
  agent: {
    id: "agent_1",
    type: "agent",
    version: 1,
    name: "tester",
    description: null,
    model: { id: "simulated", effort: { type: "high" }, speed: "standard" },
    system: null,
    tools: [],
    mcp_servers: [],
    skills: [],
    execution_identity: { type: "service_account" },
    multiagent: null,
  },
  forked_from: null,
  environment_id: "env_1",
  vault_ids: [],
  title: null,
  metadata: {},
  created_at: at,
  updated_at: at,
  archived_at: null,
  status: "idle",
  seq: 1,
  usage: {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
  },
  active_seconds: 0,
  duration_seconds: 0,
  budget_cents: null,
  spent_nano: 0,
  at_cap: false,
  asks: [],
  status_at: at,
  runnable_at: null,
  driven: false,
  resources: [],
  needs_reader: readerVersion,
  work_id: null,
  work: null,
};

const waits = (type: string, since = at, more: object = {}) => ({
  type,
  since,
  until: null,
  event_ids: [],
  ...more,
});

describe("what a session waits for", () => {
  const cases: [string, Partial<SessionRow>, object | null][] = [
    ["a message", {}, waits("message")],
    [
      "answers",
      { asks: ["confirmation sevt_a", "result sevt_b"] },
      waits("requires_action", at, { event_ids: ["sevt_a", "sevt_b"] }),
    ],
    [
      "answers before its budget",
      { asks: ["result sevt_a"], at_cap: true },
      waits("requires_action", at, { event_ids: ["sevt_a"] }),
    ],
    ["its budget", { at_cap: true }, waits("budget")],
    ["a server, when its budget was raised", { runnable_at: due }, waits("worker", due)],
    ["a server", { status: "running", runnable_at: due }, waits("worker", due)],
    [
      "a newer server, when this one cannot read its log",
      { status: "running", runnable_at: due, needs_reader: readerVersion + 1 },
      waits("upgrade", due),
    ],
    [
      "a newer server before the model",
      { status: "rescheduling", runnable_at: due, needs_reader: readerVersion + 1 },
      waits("upgrade", due),
    ],
    ["a message, whoever reads it then", { needs_reader: readerVersion + 1 }, waits("message")],
    ["the model", { status: "rescheduling", runnable_at: due }, waits("retry", at, { until: due })],
    ["nothing while it works", { status: "running", driven: true }, null],
    ["nothing when it has ended", { status: "terminated", asks: ["result sevt_a"] }, null],
  ];
  for (const [what, changed, expected] of cases) {
    test(`is ${what}`, () => assert.deepEqual(toSession({ ...row, ...changed }).waiting_for, expected));
  }
});
