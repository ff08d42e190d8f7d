import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { systemRoutes } from "../src/api/routes/system.ts";
import { testApi } from "../src/api/testing.ts";
import { shownSettings } from "../src/config.ts";
import { readMigrations } from "../src/db/migrate.ts";
import type { System } from "../src/protocol/system.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { newSession, prepare, turn } from "./harness/session.ts";

describe("how a server is", () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.close());

  test("tells of its database, its storage, itself and its sandbox hosts", async () => {
    const facts = await prepare(api.client);
    const { id } = await newSession(api.client, facts);
    await turn(api.client, id, "bash true");
    const found: System = await api.client.get("/v1/system");
    assert.match(found.database.version, /^\d+/);
    assert.ok(found.database.size_bytes > 0 && found.database.latency_ms >= 0);
    assert.equal(found.migrations.applied.length, readMigrations().length);
    assert.deepEqual(found.migrations.unknown, []);
    assert.deepEqual([found.storage.place, found.storage.status], [api.files, "ok"]);
    const [brain, ...more] = found.brains;
    assert.equal(more.length, 0);
    assert.deepEqual(
      [brain?.answers, brain?.version, brain?.roles],
      [true, "0.0.0-test", ["api", "brain", "jobs"]],
    );
    const [host] = found.sandbox_hosts;
    assert.deepEqual([host?.status, host?.driver, host?.egress], ["up", "bubblewrap", false]);
    assert.ok((host?.sandboxes_max ?? 0) > 0);
    assert.equal(found.queue.waiting, 0);
    assert.ok(found.settings.some(({ name, source }) => name === "DROVER_PORT" && source === "default"));
  });

  test("is asked without parameters, and by nobody without a key", async () => {
    assert.equal((await ask(api, { what: "", path: "/v1/system?all=1" })).status, 400);
    assert.equal(
      (await ask(api, { what: "", path: "/v1/system", headers: { "x-api-key": null } })).status,
      401,
    );
    assert.equal((await ask(api, { what: "", path: "/v1/system", method: "POST", body: {} })).status, 405);
  });
});

test("how the server is, another workspace does not learn", async () => {
  const parts = {
    member: { id: () => 1 },
    migrations: [],
    hosts: [],
    settings: [],
    slowStatements: () => [],
  };
  const fileStore = { place: "/nowhere", identify: async () => null };
  const api = await testApi(systemRoutes({ ...parts, fileStore, version: "1", started_at: "" }));
  const own = await api.call<System>("GET", "/v1/system");
  assert.deepEqual([own.status, own.body.storage.status], [200, "away"]);
  const other = await api.call("GET", "/v1/system", undefined, { "x-api-key": "other-key" });
  assert.deepEqual([other.status, other.body.error.type], [403, "permission_error"]);
  await api.close();
});

test("settings are shown with where they come from, and secrets only as set", () => {
  const secret = "s3cret-s3cret-s3cret-s3cret";
  const env = {
    DROVER_PORT: "8401",
    DROVER_API_KEY: secret,
    DATABASE_URL: `postgres://drover:${secret}@db/drover`,
    DROVER_ANTHROPIC_API_KEY: secret,
    DROVER_ANTHROPIC_BASE_URL: `https://user:${secret}@models.test`,
    DROVER_MASTER_KEY: secret,
    DROVER_SEARCH_KEY: secret,
    DROVER_SEARCH_URL: `https://search.test/?key=${secret}`,
    DROVER_FILES: `s3://bucket?${secret}`,
    DROVER_EGRESS_PROXY: `http://user:${secret}@proxy:3128`,
    DROVER_CONFIG: "/etc/drover.yaml",
  };
  const file = `models: { providers: { a: { type: openai, api_key: ${secret} } } }`;
  const shown = shownSettings(env, () => file);
  assert.ok(!JSON.stringify(shown).includes("s3cret"));
  const of = (name: string) => shown.find((setting) => setting.name === name);
  assert.deepEqual(of("DROVER_PORT"), {
    name: "DROVER_PORT",
    value: "8401",
    is_set: true,
    source: "environment",
  });
  for (const name of Object.keys(env)) assert.equal(of(name)?.is_set, true, name);
  assert.deepEqual(of("DROVER_LOG"), { name: "DROVER_LOG", value: null, is_set: false, source: "default" });
  assert.deepEqual(of("models"), { name: "models", value: null, is_set: true, source: "file" });
});

test("how several processes are, each of them tells, and who was killed is gone from it", async () => {
  const processes: Processes = await startProcesses();
  try {
    const hands = await processes.hands();
    const one = await processes.serve(await freePort());
    const other = await processes.serve(await freePort(), "--roles", "brain,api");
    const read = (): Promise<System> => one.client.get("/v1/system");
    const until = async (holds: (found: System) => boolean) => {
      const late = Date.now() + 60_000;
      for (let found = await read(); ; found = await read()) {
        if (holds(found) || Date.now() > late) return found;
      }
    };
    const all = await until(
      ({ brains, sandbox_hosts }) => brains.length === 2 && sandbox_hosts[0]?.status === "up",
    );
    assert.deepEqual(
      all.brains.map(({ roles, answers }) => [roles, answers]),
      [
        [["api", "brain", "jobs"], true],
        [["api", "brain"], false],
      ],
    );
    assert.match(all.sandbox_hosts[0]?.version ?? "", /^\d+\.\d+\.\d+/);
    assert.equal(all.settings.find(({ name }) => name === "DROVER_API_KEY")?.value, null);
    await other.kill();
    await hands.kill();
    const left = await until(
      ({ brains, sandbox_hosts }) => brains.length === 1 && sandbox_hosts[0]?.status === "down",
    );
    assert.deepEqual([left.brains.length, left.sandbox_hosts[0]?.status], [1, "down"]);
  } finally {
    await processes.close();
  }
});
