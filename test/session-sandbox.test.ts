import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Sandbox } from "../src/protocol/sandboxes.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, newSession, prepare, turn } from "./harness/session.ts";

describe("a session's sandbox", () => {
  let api: TestServer;
  let second: TestServer;
  let facts: Facts;
  before(async () => {
    api = await startTestServer();
    second = await startTestServer({ beside: api });
    facts = await prepare(api.client);
  });
  after(async () => {
    await second.close();
    await api.close();
  });

  const read = (id: string, { client } = api): Promise<Sandbox> => client.get(`/v1/sessions/${id}/sandbox`);

  test("is none, runs from the first call on, for every server, and ends with the session", async () => {
    const { id } = await newSession(api.client, facts);
    const fresh = await read(id);
    assert.deepEqual(
      [fresh.state, fresh.since, fresh.host, fresh.workspace_since],
      ["none", null, null, null],
    );
    assert.ok((fresh.resources?.memory_bytes ?? 0) > 0);
    await turn(api.client, id, "bash true");
    for (const server of [api, second]) {
      const { state, since, host, workspace_since } = await read(id, server);
      assert.equal(state, "running");
      assert.ok(since && workspace_since && host);
      assert.match(host.id, /^host_/);
      assert.equal(host.driver, "bubblewrap");
    }
    await api.hands.replace();
    const late = Date.now() + 30_000;
    let found = await read(id);
    while (found.state === "unknown" && Date.now() < late) found = await read(id);
    // The new host has the id of the one before, and has not begun a sandbox.
    assert.equal(found.state, "resting");
    await api.client.beta.sessions.archive(id);
    const ended = await read(id);
    assert.deepEqual(
      [ended.state, ended.since],
      ["ended", (await api.client.beta.sessions.retrieve(id)).archived_at],
    );
  });

  test("shows what it was refused, the newest first, and no more than that", async () => {
    const { id } = await newSession(api.client, facts);
    await turn(api.client, id, "say hi");
    const tell = (seq: number, refused: object[], more = 0) =>
      api.db.query(
        {
          name: "test_refused",
          text: `insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
            values ('wrkspc_default', $1, $2, $4, 't', 'session', 'agent.tool_result', $3, now())`,
        },
        [
          id,
          seq,
          JSON.stringify({
            tool_use_id: `call_${seq}`,
            content: [],
            network: { connections: 1, bytes_sent: 0, bytes_received: 0, refused, refused_more: more },
          }),
          `sevt_${seq}`,
        ],
      );
    const one = (host: string) => ({ host, port: 443, reason: "not allowed", count: 2 });
    await tell(1_000, [one("a.test"), one("b.test")]);
    await tell(1_001, [one("c.test")]);
    const { refused, refused_more } = await read(id);
    assert.deepEqual(
      refused.map(({ host, tool_use_id, count }) => [host, tool_use_id, count]),
      [
        ["c.test", "call_1001", 2],
        ["a.test", "call_1000", 2],
        ["b.test", "call_1000", 2],
      ],
    );
    assert.equal(refused_more, false);
    for (let seq = 1_002; seq < 1_010; seq += 1)
      await tell(
        seq,
        Array.from({ length: 20 }, (_, i) => one(`${i}.test`)),
      );
    const many = await read(id);
    assert.deepEqual([many.refused.length, many.refused_more], [100, true]);
  });

  test("says where its programs may connect to", async () => {
    const environment = await api.client.beta.environments.create({
      name: "limited",
      config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["example.com"] } },
    });
    const { id } = await newSession(api.client, { ...facts, environment_id: environment.id });
    assert.deepEqual((await read(id)).network, {
      type: "limited",
      hosts: ["example.com"],
      package_managers: false,
    });
    const own = await api.client.beta.environments.create({ name: "own", config: { type: "self_hosted" } });
    const hosted = await newSession(api.client, { ...facts, environment_id: own.id });
    const found = await read(hosted.id);
    assert.deepEqual([found.state, found.network, found.resources], ["none", null, null]);
  });

  test("is unknown while its host cannot be reached", async () => {
    const { id } = await newSession(api.client, facts);
    await turn(api.client, id, "bash true");
    await api.db.query(
      { name: "test_lost_host", text: "update placement set host_id = 'host_lost' where session_id = $1" },
      [id],
    );
    const { state, host } = await read(id);
    assert.deepEqual([state, host?.id, host?.driver], ["unknown", "host_lost", null]);
  });

  test("of nobody, of a session that is gone and of another workspace is not found", async () => {
    const { id } = await newSession(api.client, facts);
    const path = (of: string) => `/v1/sessions/${of}/sandbox`;
    assert.equal((await ask(api, { what: "", path: `${path(id)}?all=1` })).status, 400);
    assert.equal((await ask(api, { what: "", path: path("x") })).status, 404);
    await api.db.query(
      { name: "test_moved_session", text: "update session set workspace_id = 'wrkspc_other' where id = $1" },
      [id],
    );
    assert.equal((await ask(api, { what: "", path: path(id) })).status, 404);
  });
});
