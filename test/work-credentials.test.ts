import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { APIError, AuthenticationError, PermissionDeniedError } from "@anthropic-ai/sdk";
import { limits } from "../src/limits.ts";
import type { PrincipalKind } from "../src/protocol/principal.ts";
import { beta, testKey } from "./harness/headers.ts";
import {
  eventually,
  hostedSession,
  newHostedSession,
  polled,
  type SelfHosted,
  selfHosted,
  taken,
} from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { listed, message, send } from "./harness/session.ts";
import { newSkill } from "./harness/skills.ts";

const api = await startTestServer();
after(() => api.close());

interface Asked {
  method: string;
  path: string;
  by: PrincipalKind[];
  body?: object;
}

const work = "/v1/environments/{environment_id}/work";
const everybody: PrincipalKind[] = ["api_key", "environment_key", "work_token"];
/** Who may ask for what; whatever is not named here, an API key alone. */
const matrix: Asked[] = [
  { method: "GET", path: `${work}/poll`, by: ["environment_key"] },
  { method: "GET", path: work, by: ["environment_key"] },
  { method: "POST", path: `${work}/{work_id}/ack`, by: ["environment_key"] },
  { method: "POST", path: `${work}/{work_id}/heartbeat`, by: ["environment_key", "work_token"] },
  { method: "GET", path: `${work}/stats`, by: ["api_key", "environment_key"] },
  { method: "GET", path: `${work}/{work_id}`, by: ["api_key"] },
  { method: "POST", path: `${work}/{work_id}`, by: ["api_key"], body: { metadata: {} } },
  { method: "GET", path: "/v1/sessions/{session_id}", by: everybody },
  { method: "GET", path: "/v1/sessions/{session_id}/events", by: everybody },
  { method: "GET", path: "/v1/sessions/{session_id}/events/stream", by: everybody },
  { method: "GET", path: "/v1/skills/{skill_id}/versions/{version}", by: everybody },
  { method: "GET", path: "/v1/skills/{skill_id}/versions/{version}/content", by: everybody },
  { method: "POST", path: `${work}/{work_id}/stop`, by: everybody, body: {} },
];

async function credentialsOf(own: SelfHosted) {
  const skill = await newSkill(own.client, `skill-${crypto.randomUUID()}`);
  const session = await newHostedSession(own, skill);
  const { work, token } = await taken(own);
  const ids: Record<string, string> = {
    environment_id: own.environmentId,
    session_id: session.id,
    work_id: work.id,
    skill_id: skill.id,
    version: "latest",
  };
  return { ids, keys: { api_key: testKey, environment_key: own.key, work_token: token } };
}

async function ask({ method, path, body }: Omit<Asked, "by">, key: string, ids: Record<string, string>) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? "x");
  const answer = await fetch(api.url + filled, {
    method,
    headers: { authorization: `Bearer ${key}`, "anthropic-beta": beta, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  await answer.body?.cancel();
  return answer.status;
}

describe("credentials", () => {
  for (const asked of matrix) {
    test(`${asked.method} ${asked.path} takes ${asked.by.join(", ")}`, async () => {
      for (const kind of everybody) {
        // What one of them does must not be in the way of the next.
        const { ids, keys } = await credentialsOf(await selfHosted(api));
        const status = await ask(asked, keys[kind], ids);
        const right = asked.by.includes(kind);
        // An item that was acknowledged and beaten for is not acknowledged again.
        const taken = asked.path.endsWith("/ack") ? 409 : 200;
        assert.equal(status, right ? taken : 403, kind);
      }
    });
  }

  test("of workers are refused everywhere else", async () => {
    const own = await selfHosted(api);
    const { ids, keys } = await credentialsOf(own);
    const openApi = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const named = new Set(matrix.map(({ method, path }) => `${method} ${path}`));
    named.add("POST /v1/sessions/{session_id}/events");
    let others = 0;
    for (const [path, operations] of Object.entries(openApi.paths)) {
      for (const method of Object.keys(operations).map((name) => name.toUpperCase())) {
        if (named.has(`${method} ${path}`)) continue;
        others += 1;
        for (const key of [keys.environment_key, keys.work_token])
          assert.equal(await ask({ method, path }, key, ids), 403, `${method} ${path}`);
      }
    }
    assert.ok(others > 20);
  });

  test("reach one environment, and one session", async () => {
    const own = await selfHosted(api);
    const { ids, keys } = await credentialsOf(own);
    const other = await credentialsOf(await selfHosted(api));
    for (const asked of matrix) {
      const kinds = (["environment_key", "work_token"] as const).filter((kind) => asked.by.includes(kind));
      for (const kind of kinds) assert.equal(await ask(asked, keys[kind], other.ids), 404, asked.path);
    }
    const beside = await newHostedSession(own);
    const read = { method: "GET", path: "/v1/sessions/{session_id}" };
    assert.equal(await ask(read, keys.environment_key, { session_id: beside.id }), 200);
    assert.equal(await ask(read, keys.work_token, { session_id: beside.id }), 404);
    const stop = { method: "POST", path: `${work}/{work_id}/stop`, body: {} };
    assert.equal(await ask(stop, keys.work_token, { ...ids, work_id: beside.work?.id ?? "" }), 404);
  });

  test("of workers cannot speak for the user", async () => {
    const own = await selfHosted(api);
    const session = await newHostedSession(own);
    const { holder } = await taken(own);
    const before = await listed(own.client, session.id);
    for (const worker of [holder, own.worker]) {
      await assert.rejects(send(worker, session.id, message("hello")), PermissionDeniedError);
      await assert.rejects(send(worker, session.id, { type: "user.interrupt" }), PermissionDeniedError);
      const source = { type: "file" as const, file_id: "file_01AAAAAAAAAAAAAAAAAAAAAA" };
      const content = [{ type: "document" as const, source }];
      const tool_use_id = "sevt_01AAAAAAAAAAAAAAAAAAAAAA";
      const result = { type: "user.tool_result" as const, tool_use_id, content };
      await assert.rejects(send(worker, session.id, result), PermissionDeniedError);
    }
    assert.deepEqual(await listed(own.client, session.id), before);
  });
});

describe("environment keys", () => {
  const keysOf = (own: SelfHosted) => `/v1/environments/${own.environmentId}/keys`;

  test("are told once, listed without themselves, and not taken after they were revoked", async () => {
    const own = await selfHosted(api);
    await newHostedSession(own);
    const { holder } = await taken(own);
    const list = () => own.client.get<{ data: { id: string; last_used_at: string | null }[] }>(keysOf(own));
    const { data } = await list();
    assert.deepEqual(
      data.map(({ id }) => id),
      [own.keyId],
    );
    assert.ok(data[0]?.last_used_at);
    assert.ok(!JSON.stringify(data).includes(own.key));
    const rows = JSON.stringify(
      await api.db.query({ name: "keys", text: "select * from environment_key" }, []),
    );
    assert.ok(!rows.includes(own.key));
    await own.client.delete(`${keysOf(own)}/${own.keyId}`);
    assert.deepEqual((await list()).data, []);
    await assert.rejects(own.worker.beta.environments.work.poll(own.environmentId), AuthenticationError);
    // What was given out for it ends with it.
    await assert.rejects(holder.beta.sessions.list(), AuthenticationError);
  });

  test("are for self-hosted environments that are not archived", async () => {
    const own = await selfHosted(api);
    const cloud = await own.client.beta.environments.create({ name: "cloud" });
    const make = (id: string) => own.client.post(`/v1/environments/${id}/keys`, { body: {} });
    await assert.rejects(make(cloud.id), /is not self_hosted/);
    await own.client.beta.environments.archive(own.environmentId);
    await assert.rejects(make(own.environmentId), /is archived/);
    await assert.rejects(make("env_01AAAAAAAAAAAAAAAAAAAAAA"), /not found/);
  });

  test("cannot be kept for a repeated request", async () => {
    const own = await selfHosted(api);
    const headers = { "idempotency-key": "once" };
    const made = own.client.post(keysOf(own), { body: {}, headers });
    await assert.rejects(made, (error) => error instanceof APIError && /secret/.test(error.message));
  });
});

test("an item that worker after worker drops is given up, and the session says who had it", async () => {
  const own = await selfHosted(api);
  const { id } = await newHostedSession(own);
  await send(own.client, id, message('call bash {"command":"true"}\nthen\necho'));
  await eventually(
    () => hostedSession(own, id),
    ({ status }) => status === "idle",
  );
  for (let n = 0; n < limits.work_attempts_max; n += 1)
    await polled(own, { reclaim_older_than_ms: 0, "Anthropic-Worker-ID": `w${n}` });
  const poll = own.worker.beta.environments.work.poll(own.environmentId, { reclaim_older_than_ms: 0 });
  assert.equal(await poll, null);
  await api.db.query(
    {
      name: "clock_ahead",
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select clock_timestamp() + interval '2 minutes' $$`,
    },
    [],
  );
  const stuck = await eventually(
    () => hostedSession(own, id),
    ({ work }) => work?.state === "stopped",
  );
  assert.equal(stuck.work?.worker_id, `w${limits.work_attempts_max - 1}`);
  assert.ok(stuck.work?.worker_seen_at);
  const errors = (await listed(own.client, id)).filter((event) => event.type === "session.error");
  assert.match(
    JSON.stringify(errors),
    /given to 10 workers that never came to it, the last time: the worker w9/,
  );
  assert.equal(await own.worker.beta.environments.work.poll(own.environmentId), null);
  await send(own.client, id, { type: "user.interrupt" });
  assert.equal((await polled(own)).data.id, id);
});
