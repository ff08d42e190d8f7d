import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { DatabaseUnavailable } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { ApiError } from "../protocol/errors.ts";
import { forgetOldAnswers } from "../resources/kept-answers.ts";
import { route, streamRoute } from "./route.ts";
import { type TestApi, testApi } from "./testing.ts";

/** What the next requests to `/test/notes` do once they have written. */
let then: () => unknown;
let begun: EventTarget;
let api: TestApi;

before(async () => {
  begun = new EventTarget();
  api = await testApi([
    route({
      method: "POST",
      path: "/test/notes",
      beta: null,
      summary: "Write a note",
      body: z.looseObject({ text: z.string() }),
      response: z.unknown(),
      async handle({ db, body, whenCommitted }) {
        const [note] = await db.query<{ n: number }>(
          { name: "note", text: "insert into note (text) values ($1) returning n::int" },
          [body.text],
        );
        whenCommitted(() => told.push(body.text));
        begun.dispatchEvent(new Event("note"));
        return (await then()) ?? note;
      },
    }),
    route({
      method: "POST",
      path: "/test/secret",
      beta: null,
      summary: "Make a secret",
      unrepeatable: "its answer holds a secret",
      response: z.unknown(),
      handle: async () => "hush",
    }),
    streamRoute({
      method: "POST",
      path: "/test/stream",
      beta: null,
      summary: "Stream",
      event: z.unknown(),
      handle: async () => new Response(),
    }),
  ]);
  await api.db.query({ name: "notes", text: "create table note (n serial, text text)" }, []);
});
after(() => api.close());

let told: string[] = [];
let keys = 0;
const newKey = () => {
  told = [];
  then = () => undefined;
  keys += 1;
  return `key ${keys}`;
};

const write = (key: string, text: string, headers: Record<string, string> = {}) =>
  api.call<{ n: number; error?: { type: string; message: string } }>(
    "POST",
    "/test/notes",
    { text },
    { "idempotency-key": key, ...headers },
  );

async function notes(text: string): Promise<number[]> {
  const rows = await api.db.query<{ n: number }>(
    { name: "written", text: "select n from note where text = $1 order by n" },
    [text],
  );
  return rows.map(({ n }) => n);
}

describe("a key", () => {
  test("brings the first answer again, under a request id of its own", async () => {
    const key = newKey();
    const first = await write(key, "a");
    const second = await write(key, "a");
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.deepEqual(second.body, first.body);
    assert.equal(first.headers.get("idempotent-replayed"), null);
    assert.equal(second.headers.get("idempotent-replayed"), "true");
    assert.notEqual(second.headers.get("request-id"), first.headers.get("request-id"));
    assert.deepEqual(await notes("a"), [first.body.n]);
    assert.deepEqual(told, ["a"]);
  });

  test("with another body is refused and changes nothing", async () => {
    const key = newKey();
    await write(key, "b");
    const other = await write(key, "not b");
    assert.equal(other.status, 400);
    assert.match(other.body.error?.message ?? "", /^idempotency-key: .*another body/);
    assert.deepEqual(await notes("not b"), []);
    assert.equal((await write(key, "b")).headers.get("idempotent-replayed"), "true");
  });

  test("of another workspace or another path is another key", async () => {
    const key = newKey();
    const first = await write(key, "c");
    const other = await write(key, "c", { "x-api-key": "other-key" });
    assert.equal(other.headers.get("idempotent-replayed"), null);
    assert.deepEqual(await notes("c"), [first.body.n, other.body.n]);
    for (let n = 0; n < 2; n += 1) {
      const agent = await api.call<{ id: string }>("POST", "/v1/agents", { name: "a", model: "m" });
      const update = { system: "Be brief." };
      const updated = await api.call<{ id: string; version: number }>(
        "POST",
        `/v1/agents/${agent.body.id}`,
        update,
        { "idempotency-key": key },
      );
      assert.deepEqual([updated.body.id, updated.body.version], [agent.body.id, 2]);
    }
  });

  test("holds for the same path however it is escaped", async () => {
    const key = { "idempotency-key": newKey() };
    const { body } = await api.call<{ id: string }>("POST", "/v1/agents", { name: "a", model: "m" });
    const escaped = body.id.replace("a", "%61");
    for (const [id, replayed] of [
      [body.id, null],
      [escaped, "true"],
    ]) {
      const answer = await api.call("POST", `/v1/agents/${id}`, { name: "b" }, key);
      assert.deepEqual([answer.status, answer.headers.get("idempotent-replayed")], [200, replayed]);
    }
  });

  test("of a request that is refused or fails stays free, and nothing of it is written", async () => {
    const key = newKey();
    const failures: [Error, number][] = [
      [new ApiError("invalid_request_error", "no"), 400],
      [new Error("broken"), 500],
      [new DatabaseUnavailable("away", { mayHaveRun: true }), 503],
    ];
    for (const [failure, status] of failures) {
      then = () => Promise.reject(failure);
      assert.equal((await write(key, "d")).status, status);
      assert.deepEqual(await notes("d"), []);
      assert.deepEqual(told, []);
    }
    then = () => undefined;
    const done = await write(key, "d");
    assert.equal(done.headers.get("idempotent-replayed"), null);
    assert.deepEqual(await notes("d"), [done.body.n]);
  });

  test("makes a lost answer worth a retry", async () => {
    const key = newKey();
    then = () => Promise.reject(new DatabaseUnavailable("answer lost", { mayHaveRun: true }));
    const { headers } = await write(key, "e");
    assert.deepEqual([headers.get("x-should-retry"), headers.get("retry-after")], [null, "1"]);
  });

  test("serves again once the day is over", async () => {
    const key = newKey();
    const first = await write(key, "f");
    await age(key, limits.idempotency_kept_ms - 60_000);
    assert.equal((await write(key, "f")).headers.get("idempotent-replayed"), "true");
    await age(key, 60_000);
    const second = await write(key, "f");
    assert.equal(second.headers.get("idempotent-replayed"), null);
    assert.deepEqual(await notes("f"), [first.body.n, second.body.n]);
    assert.equal((await write(key, "f")).body.n, second.body.n);
  });

  test("is forgotten with its answer a day later", async () => {
    const [old, young] = [newKey(), newKey()];
    await write(old, "g");
    await write(young, "g");
    await age(old, limits.idempotency_kept_ms);
    await forgetOldAnswers(api.db);
    const kept = await api.db.query<{ key: string }>(
      { name: "kept", text: "select key from kept_answer where key = any($1)" },
      [[old, young]],
    );
    assert.deepEqual(
      kept.map(({ key }) => key),
      [young],
    );
  });

  const age = (key: string, ms: number) =>
    api.db.query(
      {
        name: "age",
        text: "update kept_answer set kept_at = kept_at - $2 * interval '1 millisecond' where key = $1",
      },
      [key, ms],
    );
});

describe("while the first is being answered", () => {
  test("fifty repeats wait for it and get its answer; it is done once", async () => {
    const key = newKey();
    const hold = Promise.withResolvers<void>();
    const started = once(begun, "note");
    then = () => hold.promise;
    const all = Array.from({ length: 50 }, () => write(key, "h"));
    await started;
    // The rest goes on: those who wait hold no connection.
    assert.equal((await api.call("GET", "/v1/agents")).status, 200);
    then = () => undefined;
    assert.equal((await write(newKey(), "beside")).status, 200);
    hold.resolve();
    const answers = await Promise.all(all);
    const written = await notes("h");
    assert.equal(written.length, 1);
    for (const { status, body } of answers) assert.deepEqual([status, body], [200, { n: written[0] }]);
    assert.equal(answers.filter(({ headers }) => headers.get("idempotent-replayed") === null).length, 1);
  });

  test("one with another body is refused when it is done", async () => {
    const key = newKey();
    const hold = Promise.withResolvers<void>();
    const started = once(begun, "note");
    then = () => hold.promise;
    const first = write(key, "i");
    await started;
    const other = write(key, "not i");
    hold.resolve();
    assert.equal((await first).status, 200);
    assert.equal((await other).status, 400);
    assert.deepEqual(await notes("not i"), []);
  });

  test("one that has waited too long is told to come back, and then gets the answer", async ({ mock }) => {
    const key = newKey();
    const hold = Promise.withResolvers<void>();
    const started = once(begun, "note");
    then = () => hold.promise;
    const first = write(key, "n");
    await started;
    mock.timers.enable({ apis: ["Date"], now: Date.now() });
    const second = write(key, "n");
    let answered = false;
    second.then(() => {
      answered = true;
    });
    while (!answered) {
      mock.timers.tick(limits.idempotency_wait_ms);
      await api.call("GET", "/v1/agents");
    }
    const { status, headers, body } = await second;
    assert.deepEqual([status, headers.get("x-should-retry")], [409, null]);
    assert.equal(body.error?.type, "conflict_error");
    hold.resolve();
    assert.deepEqual((await write(key, "n")).body, (await first).body);
  });

  test("the next one does it when the first has failed", async () => {
    const key = newKey();
    const hold = Promise.withResolvers<void>();
    const started = once(begun, "note");
    then = () => hold.promise;
    const first = write(key, "j");
    await started;
    const second = write(key, "j");
    then = () => undefined;
    hold.reject(new Error("broken"));
    assert.equal((await first).status, 500);
    const done = await second;
    assert.equal(done.status, 200);
    assert.deepEqual(await notes("j"), [done.body.n]);
  });
});

describe("the header", () => {
  test("must be 1 to 255 printable characters", async () => {
    newKey();
    for (const key of ["", "x".repeat(256), "caf\u00e9", "a\tb"]) {
      const { status, body } = await write(key, "k");
      assert.equal(status, 400, JSON.stringify(key));
      assert.match(body.error?.message ?? "", /^idempotency-key: must be/);
    }
    assert.deepEqual(await notes("k"), []);
    assert.equal((await write("~".repeat(255), "k")).status, 200);
  });

  test("is refused where answers are not kept, and means nothing to other methods", async () => {
    const key = { "idempotency-key": newKey() };
    for (const [path, reason] of [
      ["/test/secret", /its answer holds a secret/],
      ["/test/stream", /it answers with a stream/],
    ] as const) {
      const { status, body } = await api.call("POST", path, undefined, key);
      assert.equal(status, 400);
      assert.match(body.error.message, reason);
    }
    for (let n = 0; n < 2; n += 1) {
      const { status, headers } = await api.call("GET", "/v1/agents", undefined, key);
      assert.deepEqual([status, headers.get("idempotent-replayed")], [200, null]);
    }
  });

  test("is in the OpenAPI document of the routes that take it", async () => {
    const { body } = await api.call<{
      paths: Record<string, Record<string, { parameters: { name: string }[] }>>;
    }>("GET", "/openapi.json");
    const takes = (path: string, method: string) =>
      body.paths[path]?.[method]?.parameters.some(({ name }) => name === "idempotency-key");
    assert.equal(takes("/v1/agents", "post"), true);
    assert.equal(takes("/v1/agents", "get"), false);
    assert.equal(takes("/test/secret", "post"), false);
  });
});

test("an answer that is too long to be kept is refused, and nothing is done", async () => {
  const key = newKey();
  then = () => "x".repeat(limits.idempotency_answer_bytes_max);
  const { status, body } = await write(key, "l");
  assert.equal(status, 400);
  assert.match(body.error?.message ?? "", /is larger than/);
  assert.deepEqual(await notes("l"), []);
});
