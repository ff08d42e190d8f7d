import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import Anthropic, { toFile } from "@anthropic-ai/sdk";
import { createBlobs } from "../src/files/blobs.ts";
import { folderStore } from "../src/files/folder.ts";
import { createFile } from "../src/resources/files/create.ts";
import { beta, startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { newSession, prepare } from "./harness/session.ts";
import { nothingLeft } from "./harness/uploads.ts";

let api: TestServer;
let open: TestServer;
before(async () => {
  api = await startTestServer();
  // The same files, and what was uploaded may be downloaded.
  const store = { type: "folder", path: api.files } as const;
  open = await startTestServer({ beside: api, files: { store, uploads_downloadable: true } });
});
after(async () => {
  await open.close();
  await api.close();
});

const upload = async (name: string, content: string | Buffer = "text", options: object = {}) =>
  api.client.files.upload({ file: await toFile(Buffer.from(content), name), ...options });

async function removeAll(): Promise<void> {
  for await (const file of api.client.files.list()) await api.client.files.delete(file.id);
}

describe("both lines of the SDK", () => {
  for (const line of ["files", "beta.files"] as const) {
    test(`${line}: upload, look, list, download, delete`, async () => {
      const filesOf = (client: Anthropic) => (line === "files" ? client.files : client.beta.files);
      const content = Buffer.from([0, 1, 2, 0xff, 0x0d, 0x0a]);
      const file = await toFile(content, "données.csv", { type: "text/csv" });
      const made = await filesOf(api.client).upload({ file });
      assert.deepEqual(
        { ...made, id: null, created_at: null },
        {
          id: null,
          type: "file",
          filename: "données.csv",
          mime_type: "text/csv",
          size_bytes: content.length,
          created_at: null,
          downloadable: false,
          expires_at: null,
          scope: null,
        },
      );
      assert.match(made.id, /^file_01[A-Za-z0-9]{22}$/);
      assert.match(made.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.deepEqual(await filesOf(api.client).retrieveMetadata(made.id), made);
      const listed: string[] = [];
      for await (const { id } of filesOf(api.client).list()) listed.push(id);
      assert.deepEqual(listed, [made.id]);
      const answer = await filesOf(open.client).download(made.id);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content);
      assert.deepEqual(await filesOf(api.client).delete(made.id), { id: made.id, type: "file_deleted" });
      await assert.rejects(filesOf(api.client).retrieveMetadata(made.id), Anthropic.NotFoundError);
      await assert.rejects(filesOf(api.client).delete(made.id), Anthropic.NotFoundError);
    });
  }

  test("of before 1.0: its headers, its query, and the way it pages", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await upload(`${n}.txt`)).id);
    const ask = async (query: string) => {
      const answer = await fetch(`${api.url}/v1/files?beta=true&${query}`, {
        headers: {
          "x-api-key": testKey,
          "anthropic-version": "2023-06-01",
          "anthropic-beta": "files-api-2025-04-14",
        },
      });
      assert.equal(answer.status, 200);
      return (await answer.json()) as {
        data: { id: string }[];
        has_more: boolean;
        first_id: string | null;
        last_id: string | null;
      };
    };
    const walked: string[] = [];
    let page = await ask("limit=2");
    for (;;) {
      walked.push(...page.data.map(({ id }) => id));
      assert.deepEqual(page.first_id, page.data[0]?.id);
      // Deleting what was listed does not end the walk.
      await api.client.files.delete(page.last_id ?? "");
      if (!page.has_more) break;
      page = await ask(`limit=2&after_id=${page.last_id}`);
    }
    assert.deepEqual(walked, ids);
    const left = [ids[0], ids[2]];
    const back = await ask(`limit=1&before_id=${ids[4]}`);
    assert.deepEqual([back.data.map(({ id }) => id), back.has_more], [[left[1]], true]);
    const first = await ask(`limit=5&before_id=${back.first_id}`);
    assert.deepEqual([first.data.map(({ id }) => id), first.has_more], [[left[0]], false]);
    const none = await ask(`after_id=${ids[4]}`);
    assert.deepEqual([none.data, none.first_id, none.last_id], [[], null, null]);
    await removeAll();
  });
});

test("a file is uploaded from the disk by the SDK as it is read, and called what it is called there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "drover-source-"));
  try {
    const path = join(folder, "table.csv");
    const content = Buffer.from("a,b\n".repeat(1 << 20));
    writeFileSync(path, content);
    const made = await api.client.files.upload({ file: createReadStream(path), expires_in_seconds: 3_600 });
    assert.deepEqual([made.filename, made.mime_type, made.size_bytes], ["table.csv", "text/csv", 4 << 20]);
    const lives_ms = Date.parse(made.expires_at ?? "") - Date.parse(made.created_at);
    assert.equal(lives_ms, 3_600_000);
    const answer = await open.client.files.download(made.id);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(content));
    await api.client.files.delete(made.id);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

interface Documented {
  requestBody: { content: Record<string, { schema: { required: string[]; properties: object } }> };
  parameters: { name: string }[];
  responses: Record<string, { content: Record<string, { schema: unknown }> }>;
}

test("the document of the routes tells of forms and of bytes", async () => {
  const answer = await fetch(`${api.url}/openapi.json`);
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, Documented>> };
  const form = paths["/v1/files"]?.post?.requestBody.content["multipart/form-data"]?.schema;
  assert.deepEqual(form?.required, ["file"]);
  assert.deepEqual(Object.keys(form?.properties ?? {}), ["file", "expires_in_seconds"]);
  const names = paths["/v1/files"]?.get?.parameters.map(({ name }) => name);
  for (const name of ["ids[]", "scope_id", "page", "limit", "after_id", "before_id"])
    assert.ok(names?.includes(name), name);
  const content = paths["/v1/files/{file_id}/content"]?.get?.responses["200"]?.content;
  assert.deepEqual(content?.["application/octet-stream"]?.schema, { type: "string", format: "binary" });
});

describe("lists", () => {
  test("go on behind files that are deleted meanwhile, by pages too", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 25; n += 1) ids.unshift((await upload(`${n}.txt`)).id);
    const seen: string[] = [];
    for await (const { id } of api.client.files.list({ limit: 10 })) {
      seen.push(id);
      await api.client.files.delete(id);
    }
    assert.deepEqual(seen, ids);
  });

  test("of ids: those that there are, once each, on one page", async () => {
    const { id } = await upload("a.txt");
    const { id: deleted } = await upload("b.txt");
    await api.client.files.delete(deleted);
    const all = [id, id, deleted, "file_01AAAAAAAAAAAAAAAAAAAAAA", "nonsense", "x".repeat(100)];
    const page = await api.client.files.list({ ids: all });
    assert.deepEqual([page.data.map((file) => file.id), page.next_page], [[id], null]);
    const many = Array.from({ length: 100 }, (_, n) => `file_${n}`);
    assert.deepEqual((await api.client.files.list({ ids: many })).data, []);
    await assert.rejects(
      api.client.files.list({ ids: [...many, "file_100"] }),
      /ids: may name 100 different files at most/,
    );
    await assert.rejects(
      api.client.files.list({ ids: [id], limit: 2 }),
      /limit: cannot be combined with ids/,
    );
    await removeAll();
  });

  test("of a scope: nothing of others, and only by clients that know scopes", async () => {
    const { id } = await upload("a.txt");
    const scope_id = "sesn_01AAAAAAAAAAAAAAAAAAAAAA";
    const page = await api.client.beta.files.list({ scope_id, betas: [beta] });
    assert.deepEqual(page.data, []);
    await assert.rejects(
      api.client.beta.files.list({ scope_id }),
      /scope_id: needs the header anthropic-beta/,
    );
    await api.client.files.delete(id);
  });
});

describe("downloads", () => {
  test("of what was uploaded are refused unless the server allows them", async () => {
    const { id } = await upload("a.txt");
    await assert.rejects(
      api.client.files.download(id),
      (error) =>
        error instanceof Anthropic.FileNotDownloadableError &&
        error.status === 400 &&
        error.errorCode === "file_not_downloadable",
    );
    assert.equal((await open.client.files.retrieveMetadata(id)).downloadable, true);
    await api.client.files.delete(id);
  });

  test("are never shown or run by a browser, whatever they say that they are", async () => {
    const name = `a"b\\c%20ü;é*.html`;
    const file = await toFile(Buffer.from("<script>"), "x.html", { type: "text/html" });
    const { id } = await api.client.files.upload({ file });
    await api.db.query({ name: "rename", text: "update file set filename = $2 where id = $1" }, [id, name]);
    for (const method of ["GET", "HEAD"]) {
      const headers = { "x-api-key": testKey };
      const answer = await fetch(`${open.url}/v1/files/${id}/content`, { method, headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-type"), "text/html");
      assert.equal(answer.headers.get("content-length"), "8");
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
      assert.match(answer.headers.get("content-security-policy") ?? "", /sandbox/);
      const disposition = answer.headers.get("content-disposition") ?? "";
      assert.match(disposition, /^attachment; filename="[ !#-[\]-~]*"; filename\*=UTF-8''[\w.%-]*$/);
      assert.equal(decodeURIComponent(disposition.split("''")[1] ?? ""), name);
      assert.equal(await answer.text(), method === "GET" ? "<script>" : "");
    }
    await api.client.files.delete(id);
  });

  test("that broke off go on where they did, as long as it is the same file", async () => {
    const content = Buffer.from(Array.from({ length: 1_000 }, (_, n) => n % 251));
    const { id } = await upload("a.bin", content);
    const ask = (asked: Record<string, string>) =>
      fetch(`${open.url}/v1/files/${id}/content`, { headers: { "x-api-key": testKey, ...asked } });
    const whole = await ask({});
    const etag = whole.headers.get("etag") ?? "";
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), content);
    const parts: [range: string, start: number, end: number][] = [
      ["bytes=0-0", 0, 1],
      ["bytes=10-19", 10, 20],
      ["bytes=990-", 990, 1_000],
      ["bytes=990-2000", 990, 1_000],
      ["bytes=-10", 990, 1_000],
      ["bytes=-2000", 0, 1_000],
    ];
    for (const [range, start, end] of parts) {
      const answer = await ask({ range, "if-range": etag });
      assert.equal(answer.status, 206, range);
      assert.equal(answer.headers.get("content-range"), `bytes ${start}-${end - 1}/1000`);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content.subarray(start, end), range);
    }
    for (const range of ["bytes=5-1", "bytes=0-1,4-5", "bytes=", "lines=1-2", "bytes=a-b"]) {
      const answer = await ask({ range });
      assert.equal(answer.status, 200, range);
      assert.equal((await answer.arrayBuffer()).byteLength, 1_000);
    }
    assert.equal((await ask({ range: "bytes=1-2", "if-range": '"other"' })).status, 200);
    for (const range of ["bytes=1000-", "bytes=1000-1001", "bytes=-0"]) {
      const answer = await ask({ range });
      assert.equal(answer.status, 416, range);
      assert.equal(answer.headers.get("content-range"), "bytes */1000");
    }
    await api.client.files.delete(id);
  });

  test("of nothing at all are nothing at all", async () => {
    const { id, size_bytes } = await upload("empty", "");
    assert.equal(size_bytes, 0);
    assert.equal(await (await open.client.files.download(id)).text(), "");
    await api.client.files.delete(id);
  });
});

describe("files of a session", () => {
  const blobs = () => createBlobs(api.db, folderStore(api.files));
  const rules = { quota_bytes: null, uploads_downloadable: false };
  async function* one(text: string) {
    yield Buffer.from(text);
  }

  test("are listed by it, can be downloaded, and go with it; what was uploaded stays", async () => {
    const facts = await prepare(api.client);
    const [session, other] = [await newSession(api.client, facts), await newSession(api.client, facts)];
    const make = async (session_id: string, path: string) => {
      const content = await (await blobs().receive(one(path), 100)).keep();
      const about = { filename: path, mime_type: "text/plain", downloadable: true, counted: true };
      return createFile(api.db, "wrkspc_default", { ...about, content, scope: { session_id, path } }, rules);
    };
    const outputs = [await make(session.id, "a.txt"), await make(session.id, "b.txt")].toReversed();
    const elsewhere = await make(other.id, "a.txt");
    const uploaded = await upload("c.txt");
    const listed = async (scope_id: string) =>
      (await api.client.beta.files.list({ scope_id, betas: [beta] })).data;
    assert.deepEqual(await listed(session.id), outputs);
    assert.deepEqual(outputs[0]?.scope, { type: "session", id: session.id });
    const answer = await api.client.beta.files.download(outputs[0]?.id ?? "");
    assert.equal(await answer.text(), "b.txt");

    await api.client.beta.sessions.archive(other.id);
    assert.equal((await listed(other.id)).length, 1);
    await api.client.beta.sessions.delete(session.id);
    assert.deepEqual(await listed(session.id), []);
    await assert.rejects(api.client.files.retrieveMetadata(outputs[0]?.id ?? ""), Anthropic.NotFoundError);
    const left = (await api.client.files.list()).data.map(({ id }) => id);
    assert.deepEqual(left, [uploaded.id, elsewhere.id]);
    // What was written while its session was being deleted is found by the next cleanup.
    await make(session.id, "late.txt");
    await api.db.query(
      {
        name: "test_cleanup",
        text: "insert into cleanup (session_id, epoch, forked, try_at) values ($1, 1, false, drover_now()) on conflict do nothing",
      },
      [session.id],
    );
    while ((await listed(session.id)).length > 0) await pause(20);
    const [storage] = await api.db.query<{ bytes: number }>(
      { name: "test_storage", text: "select bytes from file_storage" },
      [],
    );
    assert.equal(storage?.bytes, "text".length + "a.txt".length);
    await removeAll();
  });
});

describe("a workspace", () => {
  test("has its own files, as if there were no others", async () => {
    const { id } = await upload("a.txt");
    await api.db.query(
      { name: "move", text: "update file set workspace_id = 'wrkspc_other' where id = $1" },
      [id],
    );
    for (const ask of [
      () => api.client.files.retrieveMetadata(id),
      () => open.client.files.download(id),
      () => api.client.files.delete(id),
    ])
      await assert.rejects(ask, Anthropic.NotFoundError);
    assert.deepEqual((await api.client.files.list({ ids: [id] })).data, []);
    assert.deepEqual((await api.client.files.list()).data, []);
    const after = await fetch(`${api.url}/v1/files?after_id=${id}`, { headers: { "x-api-key": testKey } });
    assert.equal(after.status, 400);
    await api.db.query({ name: "drop_files", text: "delete from file" }, []);
  });
});

test("after all of it nothing is left in the folder but the content of files", async () => {
  await nothingLeft(api);
  assert.deepEqual(readdirSync(api.files).toSorted(), ["blobs", "incoming", "store-id"]);
  assert.deepEqual(readdirSync(join(api.files, "incoming")), []);
});
