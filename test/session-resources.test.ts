import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError, toFile } from "@anthropic-ai/sdk";
import { primaryThreadOf } from "../src/log/thread-id.ts";
import type { ForkSession, Session } from "../src/protocol/sessions.ts";
import { sweepFiles } from "../src/resources/files/remove.ts";
import { listMounts } from "../src/resources/sessions/mounts.ts";
import { beta, startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { type Facts, follow, isOf, listed, message, prepare, send, turn } from "./harness/session.ts";

let api: TestServer;
let client: Anthropic;
let facts: Facts;
before(async () => {
  api = await startTestServer();
  client = api.client;
  facts = await prepare(client);
});
after(() => api.close());

const upload = async (content: string, options: object = {}) =>
  client.files.upload({ file: await toFile(Buffer.from(content), "data.csv"), ...options });

interface FileParams {
  type: "file";
  file_id: string;
  mount_path?: string | null;
}
const at = (file_id: string, mount_path?: string): FileParams => ({
  type: "file",
  file_id,
  ...(mount_path !== undefined && { mount_path }),
});
const sessionWith = (...resources: FileParams[]) =>
  client.beta.sessions.create({
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    resources,
  });
const add = (id: string, file: FileParams) => client.beta.sessions.resources.add(id, file);
const remove = (session_id: string, id: string) => client.beta.sessions.resources.delete(id, { session_id });
async function all(id: string, limit?: number) {
  const found = [];
  for await (const resource of client.beta.sessions.resources.list(id, { limit })) found.push(resource);
  return found;
}
const ids = (resources: readonly object[]) =>
  resources.map((resource) => ("id" in resource ? String(resource.id) : ""));
const contentOf = async (id: string): Promise<string[]> =>
  (await listMounts(api.db, id)).mounts.map(({ path }) => path);

const refused =
  (status: number, says: RegExp, code?: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof APIError, String(error));
    assert.equal(error.status, status, error.message);
    assert.match(error.message, says);
    const body = error.error as { error: { details?: { error_code: string } } };
    assert.equal(body.error.details?.error_code, code);
    return true;
  };

const run = (text: string, ...values: unknown[]) =>
  api.db.query({ name: `test ${text}`.slice(0, 60), text }, values);
const expire = (id: string) => run("update file set expires_at = drover_now() where id = $1", id);

describe("files of a session", () => {
  test("are its own from the beginning: new ids, where they were asked to be, in its answers", async () => {
    const [one, two] = [await upload("one"), await upload("two")];
    const session = await sessionWith(at(one.id, "policy.yaml"), at(two.id), at(two.id, "/in/two.csv"));
    const paths = ["policy.yaml", two.id, "in/two.csv"].map((name) => `/mnt/session/uploads/${name}`);
    assert.deepEqual(
      session.resources.map((resource) => ("mount_path" in resource ? resource.mount_path : null)),
      paths,
    );
    for (const resource of session.resources) {
      assert.ok(resource.type === "file");
      assert.match(resource.id, /^sesrsc_01[A-Za-z0-9]{22}$/);
      assert.match(resource.file_id, /^file_01[A-Za-z0-9]{22}$/);
      assert.ok(![one.id, two.id].includes(resource.file_id));
      assert.match(resource.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.equal(resource.updated_at, resource.created_at);
      assert.deepEqual(
        await client.beta.sessions.resources.retrieve(resource.id, { session_id: session.id }),
        resource,
      );
      const copy = await client.beta.files.retrieveMetadata(resource.file_id);
      assert.deepEqual(copy.scope, { type: "session", id: session.id });
      assert.equal(copy.filename, "data.csv");
      assert.equal(copy.downloadable, false);
    }
    assert.deepEqual((await client.beta.sessions.retrieve(session.id)).resources, session.resources);
    assert.deepEqual(await all(session.id), session.resources);
    const { data } = await client.beta.sessions.list({ limit: 1 });
    assert.deepEqual(data[0]?.resources, session.resources);
    assert.deepEqual(await contentOf(session.id), paths.toSorted());
    assert.equal((await listMounts(api.db, session.id)).version, 3);
  });

  test("are none where none were asked for", async () => {
    const session = await sessionWith();
    assert.deepEqual(session.resources, []);
    assert.deepEqual(await all(session.id), []);
    assert.deepEqual(await listMounts(api.db, session.id), { version: 0, mounts: [] });
  });

  test("come and go while it lives, and its log tells of it, but no client", async () => {
    const source = await upload("later");
    const session = await sessionWith(at(source.id, "first"));
    const added = await add(session.id, at(source.id, "/second"));
    assert.equal(added.mount_path, "/mnt/session/uploads/second");
    assert.deepEqual(ids(await all(session.id)), ids([...session.resources, added]));
    assert.equal((await listMounts(api.db, session.id)).version, 2);
    const [first] = session.resources;
    assert.ok(first?.type === "file");
    assert.deepEqual(await remove(session.id, first.id), { id: first.id, type: "session_resource_deleted" });
    assert.deepEqual(ids(await all(session.id)), [added.id]);
    await assert.rejects(client.files.retrieveMetadata(first.file_id), refused(404, /not found/));
    assert.deepEqual(await listed(client, session.id), []);
    const entries = await api.db.query<{ type: string; thread_id: string; body: { version: number } }>(
      {
        name: "test_log",
        text: "select type, thread_id, body from event where session_id = $1 order by seq",
      },
      [session.id],
    );
    assert.deepEqual(
      entries.map(({ type, thread_id, body }) => [type, thread_id, body.version]),
      [2, 3].map((version) => ["mounts_changed", primaryThreadOf(session.id), version]),
    );
    assert.ok((await client.beta.sessions.retrieve(session.id)).updated_at > session.updated_at);
  });

  test("change while it runs, and it goes on", async () => {
    const source = await upload("x");
    const session = await sessionWith(at(source.id));
    const following = await follow(client, session.id);
    await send(client, session.id, message("bash sleep 0.3"));
    await following.until(isOf("agent.tool_use"));
    const added = await add(session.id, at(source.id, "added"));
    await following.until(isOf("session.status_idle"));
    following.close();
    assert.deepEqual(ids(await all(session.id)), ids([...session.resources, added]));
    await turn(client, session.id, "say still here");
  });

  test("are listed in pages, also across what is removed", async () => {
    const source = await upload("x");
    const session = await sessionWith(...["a", "b", "c", "d"].map((name) => at(source.id, name)));
    const whole = await all(session.id);
    assert.deepEqual(await all(session.id, 1), whole);
    const page = await client.beta.sessions.resources.list(session.id, { limit: 2 });
    assert.equal(page.data.length, 2);
    await remove(session.id, ids(page.data)[1] ?? "");
    await remove(session.id, ids(whole)[3] ?? "");
    const added = await add(session.id, at(source.id, "d"));
    const next = await page.getNextPage();
    assert.deepEqual(ids(next.data), [ids(whole)[2], added.id]);
    const other = await sessionWith();
    await assert.rejects(
      client.beta.sessions.resources.list(other.id, { page: page.next_page ?? "" }),
      refused(400, /^400 .*page: is not a cursor of this list/),
    );
  });

  test("take nothing of the quota, and stay when their source goes or expires", async () => {
    const before = await used();
    const [deleted, expired] = [
      await upload("deleted"),
      await upload("expired", { expires_in_seconds: 3_600 }),
    ];
    const session = await sessionWith(at(deleted.id), at(expired.id));
    assert.equal((await used()) - before, "deleted".length + "expired".length);
    await client.files.delete(deleted.id);
    await expire(expired.id);
    await sweepFiles(api.db);
    assert.equal(await used(), before);
    assert.equal((await contentOf(session.id)).length, 2);
    for (const resource of session.resources)
      if (resource.type === "file")
        assert.equal((await client.files.retrieveMetadata(resource.file_id)).expires_at, null);
    await client.beta.sessions.delete(session.id);
    assert.equal(await used(), before);
  });

  test("go with their session", async () => {
    const source = await upload("x");
    const session = await sessionWith(at(source.id));
    await client.beta.sessions.delete(session.id);
    const [copy] = session.resources;
    assert.ok(copy?.type === "file");
    await assert.rejects(client.files.retrieveMetadata(copy.file_id), refused(404, /not found/));
    await assert.rejects(all(session.id), refused(404, /session/));
    assert.deepEqual(await run("select id from session_resource where session_id = $1", session.id), []);
    await client.files.retrieveMetadata(source.id);
  });

  test("may be copies of what another session has", async () => {
    const first = await sessionWith(at((await upload("x")).id, "x"));
    const [copy] = first.resources;
    assert.ok(copy?.type === "file");
    const second = await sessionWith(at(copy.file_id, "y"));
    await client.beta.sessions.delete(first.id);
    assert.deepEqual(await contentOf(second.id), ["/mnt/session/uploads/y"]);
  });

  test("are copied into forks", async () => {
    const source = await upload("x");
    const session = await sessionWith(at(source.id, "a"));
    await turn(client, session.id, "say hi");
    const added = await add(session.id, at(source.id, "b"));
    const forked = await client.post<Session>(`/v1/sessions/${session.id}/fork`, {
      body: {} satisfies ForkSession,
    });
    const paths = ["/mnt/session/uploads/a", "/mnt/session/uploads/b"];
    assert.deepEqual(
      forked.resources.map(({ mount_path }) => mount_path),
      paths,
    );
    assert.ok(!forked.resources.some(({ id }) => id === added.id));
    assert.deepEqual((await client.beta.sessions.retrieve(forked.id)).resources, forked.resources);
    const { version } = await listMounts(api.db, session.id);
    assert.ok((await listMounts(api.db, forked.id)).version > version, "higher than all that its log tells");
    await client.beta.sessions.delete(session.id);
    assert.deepEqual(await contentOf(forked.id), paths);
    const more = await add(forked.id, at(source.id, "c"));
    assert.deepEqual(ids(await all(forked.id)), ids([...forked.resources, more]));
  });
});

const used = async (): Promise<number> => {
  const [row] = await api.db.query<{ bytes: number }>(
    { name: "test_used", text: "select coalesce(sum(bytes), 0)::bigint as bytes from file_storage" },
    [],
  );
  return row?.bytes ?? 0;
};

describe("what is refused", () => {
  test("files that are not there, have expired, or are another workspace's", async () => {
    const [gone, expired, foreign] = [await upload("gone"), await upload("old"), await upload("foreign")];
    await client.files.delete(gone.id);
    await expire(expired.id);
    await run("update file set workspace_id = 'wrkspc_other' where id = $1", foreign.id);
    const good = await upload("good");
    const session = await sessionWith();
    for (const id of [gone.id, foreign.id, "file_01AAAAAAAAAAAAAAAAAAAAAA"]) {
      const says = new RegExp(`file_id: file ${id} not found`);
      await assert.rejects(add(session.id, at(id)), refused(404, says));
      await assert.rejects(sessionWith(at(good.id), at(id)), refused(404, /resources\.1\.file_id: /));
    }
    await assert.rejects(
      add(session.id, at(expired.id)),
      refused(404, /file_id: .* has expired/, "file_expired"),
    );
    await assert.rejects(
      sessionWith(at(expired.id)),
      refused(404, /resources\.0\.file_id: .* expired/, "file_expired"),
    );
    assert.deepEqual(await all(session.id), []);
    assert.equal((await listMounts(api.db, session.id)).version, 0);
  });

  test("paths elsewhere, and those that cannot be beside others", async () => {
    const { id } = await upload("x");
    const session = await sessionWith(at(id, "a/b"));
    for (const path of ["../x", "/etc/passwd", "/workspace/x", "/mnt/skills/x", "a\\b", "a\0b", "a//b", ""]) {
      await assert.rejects(add(session.id, at(id, path)), refused(400, /^400 .*"mount_path: /));
      await assert.rejects(sessionWith(at(id), at(id, path)), refused(400, /resources\.1\.mount_path: /));
    }
    for (const path of ["a/b", "a", "a/b/c"]) {
      const says = /mount_path: \/mnt\/session\/uploads\/a.* collides with .*\/mnt\/session\/uploads\/a\/b/;
      await assert.rejects(add(session.id, at(id, path)), refused(400, says));
      const both = sessionWith(at(id, "a/b"), at(id, path));
      await assert.rejects(both, refused(400, /resources\.1\.mount_path: .* collides with resources\.0/));
    }
    assert.equal((await all(session.id)).length, 1);
  });

  test("whatever is not a file, or is more than the session may have", async () => {
    const { id } = await upload("x");
    const session = await sessionWith();
    const repository = { type: "memory_store", memory_store_id: "memstore_1" } as const;
    const start = { agent: facts.agent_id, environment_id: facts.environment_id };
    await assert.rejects(
      client.beta.sessions.create({ ...start, resources: [repository] }),
      refused(400, /resources\.0: memory_store resources are not supported yet/),
    );
    await assert.rejects(
      sessionWith(...Array.from({ length: 501 }, (_, i) => at(id, `f${i}`))),
      refused(400, /resources: may hold 500 files at most/),
    );
    for (const body of [
      {},
      { type: "file" },
      { ...at(id), more: 1 },
      { ...repository, type: "github_repository" },
    ])
      await assert.rejects(add(session.id, body as FileParams), refused(400, /./));
    await assert.rejects(
      remove(session.id, "sesrsc_01AAAAAAAAAAAAAAAAAAAAAA"),
      refused(404, /resource sesrsc_/),
    );
    await assert.rejects(remove("sesn_01AAAAAAAAAAAAAAAAAAAAAA", "sesrsc_1"), refused(404, /session/));
    await assert.rejects(add("sesn_01AAAAAAAAAAAAAAAAAAAAAA", at(id)), refused(404, /session/));
  });

  test("a resource of another session, and an update of a file", async () => {
    const session = await sessionWith(at((await upload("x")).id));
    const other = await sessionWith();
    const [resource] = session.resources;
    assert.ok(resource?.type === "file");
    await assert.rejects(remove(other.id, resource.id), refused(404, /not found/));
    const place = { session_id: other.id };
    await assert.rejects(
      client.beta.sessions.resources.retrieve(resource.id, place),
      refused(404, /not found/),
    );
    await assert.rejects(
      client.beta.sessions.resources.update(resource.id, {
        session_id: session.id,
        authorization_token: "t",
      }),
      refused(400, /authorization_token: .* only those of type github_repository/),
    );
    await assert.rejects(
      client.files.delete(resource.file_id),
      refused(400, new RegExp(`mounted in session ${session.id}: delete its resource ${resource.id}`)),
    );
    assert.equal((await contentOf(session.id)).length, 1);
  });

  test("changes of an archived session, which still shows what it had", async () => {
    const { id } = await upload("x");
    const session = await sessionWith(at(id, "a"));
    const [resource] = session.resources;
    assert.ok(resource?.type === "file");
    await client.beta.sessions.archive(session.id);
    await assert.rejects(add(session.id, at(id, "b")), refused(400, /archived/));
    await assert.rejects(remove(session.id, resource.id), refused(400, /archived/));
    assert.deepEqual(await all(session.id), session.resources);
  });

  test("files on a machine of the user's own", async () => {
    const own = await client.beta.environments.create({ name: "own", config: { type: "self_hosted" } });
    const { id } = await upload("x");
    const words = new RegExp(
      `Environment ${own.id} is a self-hosted environment. \`resources\` are not supported with self-hosted environments.`,
    );
    const create = { agent: facts.agent_id, environment_id: own.id };
    await assert.rejects(
      client.beta.sessions.create({ ...create, resources: [at(id)] }),
      refused(400, words),
    );
    const session = await client.beta.sessions.create(create);
    await assert.rejects(add(session.id, at(id)), refused(400, words));
  });
});

describe("at once", () => {
  test("of many files that are added beyond the most there may be, exactly that many are", async () => {
    const { id } = await upload("x");
    const session = await sessionWith(...Array.from({ length: 495 }, (_, i) => at(id, `f${i}`)));
    const answers = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => add(session.id, at(id, `g${i}`))),
    );
    const failed = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    assert.equal(failed.length, 7);
    for (const error of failed) refused(400, /has 500 files already/)(error);
    const now = await all(session.id);
    assert.equal(now.length, 500);
    assert.equal((await listMounts(api.db, session.id)).version, 500);
  });

  test("one path is given once, and one resource taken away once", async () => {
    const { id } = await upload("x");
    const session = await sessionWith();
    const answers = await Promise.allSettled(
      ["p", "p/q", "p", "p/q/r", "p"].map((path) => add(session.id, at(id, path))),
    );
    const added = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    assert.equal(added.length, 1);
    const gone = await Promise.allSettled([1, 2, 3].map(() => remove(session.id, added[0]?.id ?? "")));
    assert.equal(gone.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await listMounts(api.db, session.id)).version, 2);
  });

  test("what is asked again under its key is done once", async () => {
    const { id } = await upload("x");
    const session = await sessionWith();
    const ask = (path: string, body: object) =>
      fetch(`${api.url}${path}`, {
        method: "POST",
        headers: {
          "x-api-key": testKey,
          "anthropic-version": "2026-10-21",
          "anthropic-beta": beta,
          "content-type": "application/json",
          "idempotency-key": `key of ${path}`,
        },
        body: JSON.stringify(body),
      }).then((answer) => answer.json() as Promise<Session>);
    const path = `/v1/sessions/${session.id}/resources`;
    const [one, two] = await Promise.all([ask(path, at(id)), ask(path, at(id))]);
    assert.deepEqual(one, two);
    assert.deepEqual(await all(session.id), [one]);
    const start = { agent: facts.agent_id, environment_id: facts.environment_id, resources: [at(id)] };
    const [first, again] = [await ask("/v1/sessions", start), await ask("/v1/sessions", start)];
    assert.deepEqual(first, again);
    assert.deepEqual(await all(first.id), first.resources);
  });

  test("sessions that have the same files in another order do not wait for each other for ever", async () => {
    const files = await Promise.all(
      ["a", "b", "c", "d"].map((content) => upload(`in any order: ${content}`)),
    );
    const mixed = (n: number) =>
      files
        .map((_, i) => files[(i * (n % 2 === 0 ? 1 : 3) + n) % files.length]?.id ?? "")
        .map((id) => at(id));
    const made = await Promise.all(Array.from({ length: 24 }, (_, n) => sessionWith(...mixed(n))));
    for (const { resources } of made) assert.equal(resources.length, files.length);
    const [first] = made;
    assert.ok(first);
    const forks = Array.from({ length: 4 }, () =>
      client.post<Session>(`/v1/sessions/${first.id}/fork`, { body: {} }),
    );
    const [added, ...others] = await Promise.all([
      ...made.map((session, n) => add(session.id, at(files[n % 4]?.id ?? "", "again"))),
      ...forks,
    ]);
    assert.ok(added && others.length === made.length + 3);
  });

  test("a file that is deleted while sessions are made with it is in each or refused", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await upload(`content of round ${round}`);
      const [session] = await Promise.allSettled([sessionWith(at(id)), client.files.delete(id)]);
      if (session.status === "rejected") refused(404, /not found/)(session.reason);
      else assert.equal((await contentOf(session.value.id)).length, 1);
    }
  });
});
