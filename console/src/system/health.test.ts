import assert from "node:assert/strict";
import { test } from "node:test";
import type { System } from "../../../src/protocol/system.ts";
import { healthOf, partAway } from "./health.ts";

const brain = {
  id: 1,
  version: "1.0.0",
  roles: ["api", "brain", "jobs"],
  started_at: "2026-01-01T00:00:00Z",
  beat_at: "2026-01-01T00:10:00Z",
  sessions: 2,
  answers: true,
};
const host = {
  address: "10.0.0.2:8401",
  host_id: "host",
  status: "up" as const,
  driver: "bubblewrap",
  version: "1.0.0",
  sandboxes: 2,
  sandboxes_in_use: 1,
  sandboxes_max: 10,
  checkpoints_failing: false,
  egress: true,
  unheard_seconds: 0,
};
const well: System = {
  type: "system",
  version: "1.0.0",
  started_at: "2026-01-01T00:00:00Z",
  database: { version: "17.1", size_bytes: 1, latency_ms: 0.2 },
  migrations: { applied: [], unknown: [] },
  storage: { place: "/data", status: "ok", file_bytes: 1, contents: 1, strays: 0 },
  brains: [brain],
  queue: { waiting: 0, oldest_seconds: 0 },
  sandbox_hosts: [host],
  work: { waiting: 0, held: 0, oldest_seconds: 0 },
  slow_statements: [],
  settings: [],
};

test("a server that is well says so of every part, and asks for nothing", () => {
  const parts = healthOf(well);
  assert.deepEqual(
    parts.map(({ name }) => name),
    ["Database", "Files", "Brains", "Queue", "Sandbox hosts", "Egress", "Self-hosted work"],
  );
  assert.ok(parts.every(({ health, todo }) => health === "good" && todo === null));
});

const silent = { ...brain, id: 2, beat_at: "2026-01-01T00:09:00Z" };
const faults: [string, string, string, Partial<System>][] = [
  [
    "a database that a newer version has changed",
    "Database",
    "bad",
    { migrations: { applied: [], unknown: [9] } },
  ],
  ["a slow database", "Database", "warn", { database: { ...well.database, latency_ms: 80 } }],
  ["a file store that is away", "Files", "bad", { storage: { ...well.storage, status: "away" } }],
  ["no brain", "Brains", "bad", { brains: [{ ...brain, roles: ["api"] }] }],
  ["a brain that is silent", "Brains", "warn", { brains: [brain, silent] }],
  ["brains of two versions", "Brains", "warn", { brains: [brain, { ...brain, id: 2, version: "1.1.0" }] }],
  ["a queue", "Queue", "warn", { queue: { waiting: 3, oldest_seconds: 20 } }],
  ["a long queue", "Queue", "bad", { queue: { waiting: 3, oldest_seconds: 90 } }],
  ["no host", "Sandbox hosts", "bad", { sandbox_hosts: [] }],
  ["a host that is down", "Sandbox hosts", "bad", { sandbox_hosts: [{ ...host, status: "down" }] }],
  [
    "one of two hosts down",
    "Sandbox hosts",
    "warn",
    { sandbox_hosts: [host, { ...host, address: "b", status: "down" }] },
  ],
  [
    "workspaces that are not kept",
    "Sandbox hosts",
    "bad",
    { sandbox_hosts: [{ ...host, checkpoints_failing: true }] },
  ],
  ["a full host", "Sandbox hosts", "warn", { sandbox_hosts: [{ ...host, sandboxes_in_use: 10 }] }],
  ["no egress", "Egress", "warn", { sandbox_hosts: [{ ...host, egress: false }] }],
  [
    "work that nobody takes",
    "Self-hosted work",
    "warn",
    { work: { waiting: 1, held: 0, oldest_seconds: 90 } },
  ],
];

for (const [what, name, health, changed] of faults)
  test(`${what} is told, with what to do about it`, () => {
    const part = healthOf({ ...well, ...changed }).find((each) => each.name === name);
    assert.equal(part?.health, health);
    assert.ok((part?.todo ?? "").length > 20);
  });

test("a silent brain counts against the clock of the others, not the browser's", () => {
  const old = { ...well, brains: [brain] };
  assert.equal(healthOf(old).find(({ name }) => name === "Brains")?.health, "good");
});

test("where nothing is told, the part that keeps it from being told is named; an answer of another kind is none", () => {
  assert.deepEqual(
    [0, 503, 500, 403].map((status) => partAway(status)?.name),
    ["Server", "Database", undefined, undefined],
  );
});
