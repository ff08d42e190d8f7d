import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { limits } from "../src/limits.ts";
import { noteOutput } from "../src/outputs/rows.ts";
import { createFile } from "../src/resources/files/create.ts";
import { downloaded, filesOf, filesWhen, namesOf } from "./harness/outputs.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isOf, listed, newSession, prepare, resultsIn, turn } from "./harness/session.ts";

let api: TestServer;
let facts: Facts;
before(async () => {
  api = await startTestServer();
  facts = await prepare(api.client);
});
after(() => api.close());

const begin = async () => (await newSession(api.client, facts)).id;
const run = async (id: string, command: string) => resultsIn(await turn(api.client, id, `bash ${command}`));
const when = (id: string, ...names: string[]) =>
  filesWhen(api.client, id, (files) => names.every((name) => namesOf(files).includes(name)));
const errorsOf = async (id: string) =>
  (await listed(api.client, id)).flatMap((event) =>
    event.type === "session.error" ? [event.error.message] : [],
  );

describe("what a session writes to its outputs folder", () => {
  test("is listed by the SDK, and downloaded byte for byte", async () => {
    const id = await begin();
    const png = "\\x89PNG\\r\\n\\x1a\\n\\0\\xff";
    await run(
      id,
      `cd /mnt/session/outputs; printf '${png}' > chart.png; printf '# Report\\n' > report.md; : > empty.txt`,
    );
    const files = await when(id, "chart.png", "report.md", "empty.txt");
    assert.equal(files.length, 3);
    const [chart] = files.filter(({ filename }) => filename === "chart.png");
    assert.ok(chart);
    assert.deepEqual(chart.scope, { type: "session", id });
    assert.equal(chart.downloadable, true);
    assert.equal(chart.mime_type, "image/png");
    const content = Buffer.from("\x89PNG\r\n\x1a\n\0\xff", "latin1");
    assert.equal(chart.size_bytes, content.length);
    assert.deepEqual(await downloaded(api.client, chart.id), content);
    const [report] = files.filter(({ filename }) => filename === "report.md");
    assert.equal(String(await downloaded(api.client, report?.id ?? "")), "# Report\n");
    const [empty] = files.filter(({ filename }) => filename === "empty.txt");
    assert.equal((await downloaded(api.client, empty?.id ?? "")).length, 0);
  });

  test("is another file when it is written anew, and the same one while it holds the same", async () => {
    const id = await begin();
    const write = (text: string) => run(id, `printf ${text} > /mnt/session/outputs/a.txt`);
    await write("one");
    const [first] = await when(id, "a.txt");
    await write("two");
    const [second] = await filesWhen(api.client, id, ([file]) => file !== undefined && file.id !== first?.id);
    assert.equal((await filesOf(api.client, id)).length, 1);
    assert.equal(String(await downloaded(api.client, second?.id ?? "")), "two");
    // Whoever has its id can have the former for a while.
    assert.equal(String(await downloaded(api.client, first?.id ?? "")), "one");
    await write("two");
    await run(id, "echo > /mnt/session/outputs/b.txt");
    await when(id, "b.txt");
    assert.ok((await filesOf(api.client, id)).some((file) => file.id === second?.id));
  });

  test("has the name that it has in its folder, and says where that is", async () => {
    const id = await begin();
    await run(
      id,
      "cd /mnt/session/outputs; mkdir -p a/b; echo 1 > a/r.md; echo 2 > a/b/r.md; echo 3 > 'C:\\d.md'",
    );
    const files = await filesWhen(api.client, id, ({ length }) => length === 3);
    assert.deepEqual(files.map((file) => [file.filename, "path" in file && file.path]).toSorted(), [
      ["d.md", "C:\\d.md"],
      ["r.md", "a/b/r.md"],
      ["r.md", "a/r.md"],
    ]);
  });

  test("is taken also when a job in the background writes it, long after the turn", async () => {
    const id = await begin();
    const job = "until [ -e go ]; do sleep 0.02; done; echo late > /mnt/session/outputs/late.txt";
    await run(id, `(${job}) >/dev/null 2>&1 &`);
    assert.deepEqual(await filesOf(api.client, id), []);
    api.workspace(id).release();
    const [late] = await when(id, "late.txt");
    assert.equal(String(await downloaded(api.client, late?.id ?? "")), "late\n");
  });

  test("stays when it is removed there, and goes with the session", async () => {
    const id = await begin();
    await run(id, "echo 1 > /mnt/session/outputs/a.txt");
    const [file] = await when(id, "a.txt");
    await run(id, "cd /mnt/session/outputs; rm a.txt; echo 2 > b.txt");
    await when(id, "a.txt", "b.txt");
    await api.client.beta.sessions.delete(id);
    await assert.rejects(api.client.beta.files.retrieveMetadata(file?.id ?? ""), { status: 404 });
    assert.deepEqual(await filesOf(api.client, id), []);
    const left = { name: "outputs_left", text: "select path from output where session_id = $1" };
    assert.deepEqual(await api.db.query(left, [id]), []);
  });

  test("is not taken again from a workspace that was brought back, nor when its file was deleted", async () => {
    const id = await begin();
    const kept = api.hands.kept(id);
    await run(id, "cd /mnt/session/outputs; echo 1 > a.txt; echo 2 > b.txt");
    const before = await when(id, "a.txt", "b.txt");
    await kept;
    const [deleted] = before.filter(({ filename }) => filename === "a.txt");
    await api.client.beta.files.delete(deleted?.id ?? "");
    await api.hands.replace();
    await run(id, "echo 3 > /mnt/session/outputs/c.txt");
    const files = await when(id, "c.txt");
    assert.deepEqual(namesOf(files), ["b.txt", "c.txt"]);
    assert.ok(files.some((file) => before.some((b) => b.id === file.id)));
    // Written anew, it is one again.
    await run(id, "echo 1 > /mnt/session/outputs/a.txt");
    await when(id, "a.txt", "b.txt", "c.txt");
  });
});

describe("a session that", () => {
  test("is archived keeps what was written up to then, also where no brain has taken it", async () => {
    const whole = await startTestServer();
    const rest = await startTestServer({ beside: whole, roles: ["api", "jobs"] });
    try {
      const { id } = await newSession(whole.client, await prepare(whole.client));
      const job =
        "until [ -e go ]; do sleep 0.02; done; echo late > /mnt/session/outputs/late.txt; echo 1 > done";
      await turn(whole.client, id, `bash (${job}; sleep 100) >/dev/null 2>&1 &`);
      await whole.stop();
      whole.workspace(id).release();
      await whole.workspace(id).written("done");
      await rest.client.beta.sessions.archive(id);
      const [late] = await filesWhen(rest.client, id, ({ length }) => length === 1);
      assert.equal(String(await downloaded(rest.client, late?.id ?? "")), "late\n");
    } finally {
      await rest.close();
      await whole.close();
    }
  });

  test("is forked has copies of what was written up to there", async () => {
    const id = await begin();
    const write = (text: string) => run(id, `printf ${text} > /mnt/session/outputs/a.txt`);
    await write("one");
    const [one] = await when(id, "a.txt");
    const cut = (await listed(api.client, id)).at(-1)?.id;
    const kept = api.hands.kept(id);
    await write("two");
    await filesWhen(api.client, id, ([file]) => file?.id !== one?.id);
    await kept;
    for (const [event_id, text] of [
      [cut, "one"],
      [undefined, "two"],
    ]) {
      const fork: { id: string } = await api.client.post(`/v1/sessions/${id}/fork`, { body: { event_id } });
      const [copy, ...others] = await filesOf(api.client, fork.id);
      assert.deepEqual(others, []);
      assert.deepEqual(copy?.scope, { type: "session", id: fork.id });
      assert.equal(String(await downloaded(api.client, copy?.id ?? "")), text);
      // What comes with the workspace is what it has.
      await run(fork.id, "echo > /mnt/session/outputs/b.txt");
      const files = await when(fork.id, "a.txt", "b.txt");
      assert.ok(files.some((file) => file.id === copy?.id));
    }
  });
});

describe("what is no output", () => {
  test("is told of once in the session's log, and keeps nothing else from being one", async () => {
    const id = await begin();
    const make = [
      "cd /mnt/session/outputs",
      "ln -s /etc/shadow link",
      "ln -s /etc etc",
      "mkfifo pipe",
      `: > "$(printf 'new\\nline')"`,
      `: > "$(printf 'raw\\377')"`,
      `truncate -s ${limits.file_bytes_max + 1} large.bin`,
      "echo 1 > a.txt",
    ];
    await run(id, make.join("; "));
    await when(id, "a.txt");
    assert.deepEqual(namesOf(await filesOf(api.client, id)), ["a.txt"]);
    await run(id, "echo 2 > /mnt/session/outputs/b.txt");
    await when(id, "a.txt", "b.txt");
    const told = (await errorsOf(id)).flatMap((message) => message.split("\n"));
    const lines = [
      "link: it is a link",
      "etc: it is a link",
      "pipe: it is no regular file",
      "new\ufffdline: its name",
      "raw\ufffd: its name",
      "large.bin: it is larger than 500 MB",
    ];
    for (const line of lines)
      assert.equal(told.filter((each) => each.startsWith(line)).length, 1, `${line} in ${told}`);
    assert.equal((await api.client.beta.sessions.retrieve(id)).status, "idle");
  });
});

test("two servers and one output make one file", async () => {
  const beside = await startTestServer({ beside: api });
  try {
    const ids = await Promise.all(Array.from({ length: 5 }, begin));
    const write = "for n in 1 2 3 4 5; do echo $n > /mnt/session/outputs/$n; done";
    await Promise.all(ids.map((id) => run(id, write)));
    for (const id of ids) {
      await filesWhen(api.client, id, ({ length }) => length === 5);
      const text = "select count(*)::int as n from file where scope_session_id = $1";
      const [rows] = await api.db.query<{ n: number }>({ name: "files_made", text }, [id]);
      assert.equal(rows?.n, 5);
    }
  } finally {
    await beside.close();
  }
});

test("what does not fit is told of, and taken when there is room", async () => {
  const narrow = await startTestServer({ files: { quota_bytes: 1_000 } });
  try {
    const { client } = narrow;
    const { id } = await newSession(client, await prepare(client));
    const following = await follow(client, id);
    const write = "head -c 900 /dev/zero > a; head -c 900 /dev/zero > b; echo > c";
    await turn(client, id, `bash cd /mnt/session/outputs; ${write}`);
    const files = await filesWhen(client, id, ({ length }) => length === 2);
    assert.deepEqual(namesOf(files), ["a", "c"]);
    const told = (await following.until(isOf("session.error"))).find(isOf("session.error"));
    following.close();
    assert.match(told?.error.message ?? "", /\nb: the files of this workspace may take 1000 bytes/);
    await client.beta.files.delete(files.find(({ filename }) => filename === "a")?.id ?? "");
    const now = await filesWhen(client, id, (now) => namesOf(now).includes("b"));
    assert.deepEqual(namesOf(now), ["b", "c"]);
  } finally {
    await narrow.close();
  }
});

test("one becomes a file while its session is deleted: neither waits for the other, and both are gone in the end", async () => {
  const { db, client } = api;
  const id = await begin();
  await run(id, "echo text > /mnt/session/outputs/file.txt");
  const [first] = await when(id, "file.txt");
  assert.ok(first);
  const sql = <Row>(text: string) =>
    db.query<Row>({ name: `test_${text.slice(0, 40)}`, text: text.replaceAll("$1", `'${id}'`) }, []);
  const [content] = await sql<{ sha256: string; bytes: number; workspace_id: string }>(
    "select sha256, size_bytes as bytes, workspace_id from file where scope_session_id = $1",
  );
  assert.ok(content);
  const taken =
    "insert into output_turn select $1, 1, 'test', drover_now() + interval '1 hour' on conflict do nothing returning 1";
  while ((await sql(taken)).length === 0) await pause(5);
  const turn = { session_id: id, workspace_id: content.workspace_id, owner: "test" };
  const output = { path: "next.txt", version: "1", bytes: content.bytes, written_at_ms: 1 };
  const waits = `select 1 from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%delete from session_head%'`;
  const deleting = await db.transaction(async (within) => {
    const about = { content_sha256: content.sha256, new_file: true };
    assert.equal(await noteOutput(within, turn, output, about), "noted");
    const deleting = client.beta.sessions.delete(id, {}, { maxRetries: 0 });
    while ((await sql(waits)).length === 0) await pause(5);
    const scope = { session_id: id, path: output.path };
    const file = {
      filename: "next.txt",
      mime_type: "text/plain",
      content,
      downloadable: true,
      counted: true,
      scope,
    };
    const rules = { quota_bytes: null, uploads_downloadable: false };
    await createFile(within, turn.workspace_id, file, rules);
    return [deleting];
  });
  await deleting[0];
  const left = `select id from file where scope_session_id = $1 union all select path from output where session_id = $1`;
  while ((await sql(left)).length > 0) await pause(5);
});
