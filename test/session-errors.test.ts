import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { SessionErrorItem } from "../src/protocol/session-errors.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isIdle, isOf, message, newSession, prepare, send } from "./harness/session.ts";

interface Page {
  data: SessionErrorItem[];
  next_page: string | null;
}

const isError = isOf("session.error");

describe("what went wrong in any session", () => {
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

  const list = (query: Record<string, string | number | boolean> = {}, client = api.client): Promise<Page> =>
    client.get("/v1/session_errors", { query });
  const ofSession = async (id: string, query = {}) =>
    (await list({ limit: 100, ...query })).data.filter(({ session_id }) => session_id === id);
  const outcomes = async (id: string, query = {}) =>
    (await ofSession(id, query)).map(({ outcome }) => outcome);

  /** A session that has come to rest after this. */
  async function rested(text: string): Promise<string> {
    const { id } = await newSession(api.client, facts);
    const following = await follow(api.client, id);
    await send(api.client, id, message(text));
    await following.until(isIdle);
    following.close();
    return id;
  }

  test("is listed newest first, with its session and agent, by every server", async () => {
    const first = await rested("fail billing");
    const last = await rested("fail rejected");
    for (const { client } of [api, second]) {
      const { data, next_page } = await list({}, client);
      assert.equal(next_page, null);
      assert.deepEqual(
        data.map(({ session_id, agent, outcome, session_status, event }) => [
          session_id,
          agent.name,
          outcome,
          session_status,
          event.type === "session.error" && event.error.type,
        ]),
        [
          [last, "tester", "ended_turn", "idle", "model_request_failed_error"],
          [first, "tester", "ended_turn", "idle", "billing_error"],
        ],
      );
      const listed = (await api.client.beta.sessions.events.list(last, { limit: 1000 })).data;
      assert.deepEqual(
        data[0]?.event,
        listed.find(({ type }) => type === "session.error"),
      );
    }
    assert.equal((await list()).data[0]?.session_title, null);
  });

  test("is a turn that the model has refused, too, with what it says of that", async () => {
    const refused = await rested("refuse cyber No \u0000 way.");
    for (const ended_turn of [true, false])
      for (const { client } of [api, second]) {
        const found = (await list({ ended_turn }, client)).data.filter(
          ({ session_id }) => session_id === refused,
        );
        assert.deepEqual(
          found.map(({ outcome, event }) => [
            outcome,
            event.type === "session.status_idle" && event.stop_details,
          ]),
          [["ended_turn", { type: "refusal", category: "cyber", explanation: "No \u0000 way." }]],
        );
      }
    // Whoever speaks of one has not refused.
    const said = await rested('say {"stop_reason":{"type":"refusal"}}');
    assert.deepEqual(await outcomes(said), []);
  });

  test("that is tried again is told apart: not yet, got over, or given up", async () => {
    const over = await rested("fail overloaded\nsay better");
    assert.deepEqual(await outcomes(over), ["recovered"]);
    assert.deepEqual(await outcomes(over, { ended_turn: true }), []);

    const { id } = await newSession(api.client, facts);
    const following = await follow(api.client, id);
    await send(api.client, id, message("fail overloaded 9"));
    await following.until(isError);
    assert.deepEqual(await outcomes(id), ["retrying"]);
    await send(api.client, id, { type: "user.interrupt" });
    await following.until(isIdle);
    assert.ok((await outcomes(id)).every((outcome) => outcome === "gave_up"));
    // What another turn does says nothing of this one.
    await send(api.client, id, message("say on we go"));
    await following.until(isIdle, 2);
    assert.ok((await outcomes(id)).every((outcome) => outcome === "gave_up"));
    following.close();
  });

  test("is gone with its session, and left out once that is archived", async () => {
    const [archived, deleted] = [await rested("fail billing"), await rested("fail billing")];
    await api.client.beta.sessions.archive(archived);
    assert.deepEqual(await outcomes(archived), []);
    assert.deepEqual(await outcomes(archived, { include_archived: true }), ["ended_turn"]);
    await api.client.beta.sessions.delete(deleted);
    assert.deepEqual(await outcomes(deleted, { include_archived: true }), []);
  });

  test("is not repeated by a fork, which has its own", async () => {
    const id = await rested("fail billing");
    const fork = await api.client.post<{ id: string }>(`/v1/sessions/${id}/fork`, { body: {} });
    assert.deepEqual(await outcomes(fork.id), []);
    const following = await follow(api.client, fork.id);
    await send(api.client, fork.id, message("fail rejected"));
    await following.until(isIdle);
    following.close();
    assert.deepEqual(await outcomes(fork.id), ["ended_turn"]);
    assert.deepEqual(await outcomes(id), ["ended_turn"]);
  });

  test("comes in pages that repeat and miss nothing, wherever they are cut", async () => {
    for (let n = 0; n < 3; n++) await rested("fail billing");
    for (const ended_turn of [true, false]) {
      const whole = (await list({ limit: 100, ended_turn })).data.map(({ event }) => event.id);
      assert.ok(whole.length >= 6);
      for (const limit of [1, 2, 5]) {
        const found: string[] = [];
        for (let page: string | null = ""; page !== null; ) {
          const next: Page = await list({ limit, ended_turn, ...(page && { page }) });
          assert.ok(next.data.length <= limit);
          found.push(...next.data.map(({ event }) => event.id));
          page = next.next_page;
        }
        assert.deepEqual(found, whole);
      }
    }
  });

  test("takes whatever text an error has", async () => {
    const id = await rested("fail billing");
    const [row] = await api.db.query<{ n: number }>(
      {
        name: "test_error_text",
        text: `insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
          select workspace_id, session_id, seq + 1000, 'sevt_odd', thread_id, audience, type, $2::json, created_at
          from event where session_id = $1 and type = 'session.error' returning 1 as n`,
      },
      [
        id,
        String.raw`{"error":{"type":"unknown_error","message":"a \u0000 b \ud800 c","retry_status":{"type":"exhausted"}}}`,
      ],
    );
    assert.equal(row?.n, 1);
    assert.deepEqual(await outcomes(id), ["ended_turn", "ended_turn"]);
    assert.equal((await ofSession(id, { ended_turn: true }))[0]?.event.id, "sevt_odd");
  });

  test("of another workspace is not seen", async () => {
    const id = await rested("fail billing");
    await api.db.query(
      {
        name: "test_errors_elsewhere",
        text: "update event set workspace_id = 'wrkspc_other' where session_id = $1",
      },
      [id],
    );
    assert.deepEqual(await outcomes(id), []);
  });

  test("is read by an index of its own, whatever else the log has", async () => {
    for (const [name, ended] of [
      ["event_error", ""],
      ["event_error_ended", "and not is_retried(body)"],
    ] as const) {
      const rows = await api.db.query<{ "QUERY PLAN": string }>(
        {
          name: `test_plan_${name}`,
          text: `explain select id from event where workspace_id = 'w' and audience = 'session'
            and (type = 'session.error' ${ended} or type = 'session.status_idle' and is_refused(body))
            order by created_at desc, session_id desc, seq desc limit 2`,
        },
        [],
      );
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      assert.ok(plan.includes(`using ${name} `) && !plan.includes("Sort"), plan);
    }
  });

  test("takes no other parameters, cursors and keys", async () => {
    const foreign = Buffer.from(
      '{"list":"session_errors","order":"desc","back":false,"position":{}}',
    ).toString("base64url");
    for (const query of ["limit=0", "limit=101", "page=x", "status=idle", "ended_turn=x", `page=${foreign}`])
      assert.equal((await ask(api, { what: query, path: `/v1/session_errors?${query}` })).status, 400, query);
    const path = "/v1/session_errors";
    assert.equal(
      (await ask(api, { what: "", path, headers: { "x-api-key": "another-key-of-nobody" } })).status,
      401,
    );
    assert.equal((await ask(api, { what: "", path, method: "POST", body: {} })).status, 405);
  });
});
