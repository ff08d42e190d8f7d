import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, truncateSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import Anthropic, { toFile } from "@anthropic-ai/sdk";
import { limits } from "../src/limits.ts";
import { startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { keysIn, nothingLeft } from "./harness/uploads.ts";

let api: TestServer;
const logged: string[] = [];
before(async () => {
  const log = (line: string) => void logged.push(line);
  api = await startTestServer({ files: { uploads_downloadable: true }, log });
});
after(() => api.close());

const boundary = "drover0123456789";

/** A form as a client without the SDK sends it. */
const form = (head: string, body: string | Buffer = "x") =>
  Buffer.concat([
    Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
    Buffer.from(body),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);

const headers = {
  "x-api-key": testKey,
  "content-type": `multipart/form-data; boundary=${boundary}`,
};

async function send(body: Buffer): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${api.url}/v1/files`, { method: "POST", headers, body });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const disposition = (rest: string) => `content-disposition: form-data; name="file"${rest}`;
const named = (filename: string, type = "text/plain") =>
  `${disposition(`; filename="${filename}"`)}\r\ncontent-type: ${type}`;

describe("the name and the type of a file", () => {
  const cases: [what: string, head: string, filename: string, mime_type: string][] = [
    ["stay as they are sent", named("a b.csv", "text/csv"), "a b.csv", "text/csv"],
    ["of a path are its last part", named("/etc/../passwd"), "passwd", "text/plain"],
    ["of a path that goes up too", named("../../x"), "x", "text/plain"],
    ["of a path of Windows too", named("C:\\\\temp\\\\x.txt"), "x.txt", "text/plain"],
    ["of a folder are none", named(".."), "unnamed.txt", "text/plain"],
    ["of a folder with its slash are none", named("a/", "text/csv"), "unnamed.csv", "text/csv"],
    ["that is empty are made of the type", named("", "application/pdf"), "unnamed.pdf", "application/pdf"],
    [
      "that is absent are made of the type",
      `${disposition("")}\r\ncontent-type: image/png`,
      "unnamed.png",
      "image/png",
    ],
    ["that is absent are made of no type", named("", "x/y"), "unnamed", "x/y"],
    ["in any script", named("日本語 🎉.txt"), "日本語 🎉.txt", "text/plain"],
    ["as long as it may be", named("é".repeat(255)), "é".repeat(255), "text/plain"],
    ["type without its parameters", named("a", "Text/HTML; charset=utf-8"), "a", "text/html"],
    ["type by the name", named("a.PDF", "application/octet-stream"), "a.PDF", "application/pdf"],
    [
      "type that nobody knows",
      named("a.zzz", "application/octet-stream"),
      "a.zzz",
      "application/octet-stream",
    ],
    ["type that the client says, not the content", named("a.txt", "image/png"), "a.txt", "image/png"],
    [
      "type by the name of what cannot be the plain text that a part without a type is",
      disposition('; filename="a.pdf"'),
      "a.pdf",
      "application/pdf",
    ],
    ["type plain text, if the name is that of some text", named("a.yaml"), "a.yaml", "text/plain"],
    ["by the extended form of a name", disposition("; filename*=UTF-8''%C3%A9.txt"), "é.txt", "text/plain"],
  ];
  for (const [what, head, filename, mime_type] of cases)
    test(what, async () => {
      const { status, body } = await send(form(head));
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.filename, body.mime_type], [filename, mime_type]);
    });

  const refused: [what: string, head: string, says: RegExp][] = [
    ["has control characters", named("a\x07b"), /may not contain control characters/],
    ["has a NUL", named("a\x00b"), /may not contain control characters/],
    ["is too long", named("x".repeat(256)), /more than 255 characters/],
    ["has no media type", named("a", "nonsense"), /must be a media type/],
  ];
  for (const [what, head, says] of refused)
    test(`that ${what} is refused`, async () => {
      const { status, body } = await send(form(head));
      assert.equal(status, 400);
      assert.match(JSON.stringify(body.error), says);
    });

  after(async () => {
    for await (const { id } of api.client.files.list({ limit: 100 })) await api.client.files.delete(id);
    await nothingLeft(api);
  });
});

describe("an upload that does not come to its end", () => {
  /** Sends the beginning of a form, and resolves when so much of the file lies in the store. */
  async function begin(bytes: number) {
    const all = form(named("cut.bin"), Buffer.alloc(4 * bytes, 7));
    const sending = request(`${api.url}/v1/files`, {
      method: "POST",
      headers: { ...headers, "content-length": all.length },
    });
    sending.on("error", () => {});
    sending.write(all.subarray(0, 2 * bytes));
    for (;;) {
      const [key] = keysIn(api.files).incoming;
      if (key !== undefined && statSync(join(api.files, "incoming", key)).size >= bytes)
        return { sending, key };
      await pause(2);
    }
  }

  test("because the connection is cut leaves nothing", async () => {
    const { sending } = await begin(1 << 20);
    sending.destroy();
    while (keysIn(api.files).incoming.length > 0) await pause(2);
    while ((await strays()) > 0) await pause(2);
    await nothingLeft(api);
    assert.deepEqual((await api.client.files.list()).data, []);
  });

  test("because its form is not whole leaves nothing, and is refused", async () => {
    const whole = form(named("a.txt"), Buffer.alloc(1 << 20, 7));
    for (const cut of [10, 60, 200, 1 << 19, whole.length - 30]) {
      const { status, body } = await send(whole.subarray(0, cut));
      assert.equal(status, 400, `${cut}: ${JSON.stringify(body)}`);
      assert.match(JSON.stringify(body), /is no whole multipart form/, String(cut));
    }
    await nothingLeft(api);
  });

  test("because what comes after its file is refused leaves nothing", async () => {
    const file = form(named("a.txt"), Buffer.alloc(1 << 20, 7)).subarray(0, -4);
    const bad = `\r\ncontent-disposition: form-data; name="expires_in_seconds"\r\n\r\n1\r\n--${boundary}--\r\n`;
    const { status, body } = await send(Buffer.concat([file, Buffer.from(bad)]));
    assert.equal(status, 400);
    assert.match(JSON.stringify(body), /expires_in_seconds: must be at least 3600/);
    await nothingLeft(api);
  });

  test("because it is too large is refused before any of it is taken in", async () => {
    const length = limits.file_bytes_max + limits.upload_form_bytes_max + 1;
    const sending = request(`${api.url}/v1/files`, {
      method: "POST",
      headers: { ...headers, "content-length": length },
    });
    sending.on("error", () => {});
    const chunk = Buffer.alloc(1 << 20);
    let answered = false;
    const answer = once(sending, "response").then(([response]) => {
      answered = true;
      return response;
    });
    for (let sent = 0; sent < length && !answered; sent += chunk.length)
      if (!sending.write(chunk.subarray(0, length - sent)))
        await Promise.race([once(sending, "drain"), answer]);
    sending.end();
    const response = await answer;
    assert.equal(response.statusCode, 413);
    let text = "";
    for await (const part of response) text += part;
    assert.match(text, /"request_too_large".*larger than 500 MB/);
    await nothingLeft(api);
  });

  test("is one of as many as a server takes at once; one more is asked to wait", async () => {
    const idle = Array.from({ length: limits.uploads_parallel_max }, () => {
      const sending = request(`${api.url}/v1/files`, {
        method: "POST",
        headers: { ...headers, "content-length": 1_000 },
      });
      sending.on("error", () => {});
      sending.write(form(named("idle.bin")).subarray(0, -20));
      return sending;
    });
    while (keysIn(api.files).incoming.length < idle.length) await pause(2);
    const answer = await fetch(`${api.url}/v1/files`, { method: "POST", headers, body: form(named("a")) });
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.match(await answer.text(), /too many uploads at once/);
    for (const sending of idle) sending.destroy();
    while (keysIn(api.files).incoming.length > 0 || (await strays()) > 0) await pause(2);
    assert.equal((await send(form(named("a")))).status, 200);
  });

  const strays = async () => {
    const [row] = await api.db.query<{ n: number }>(
      { name: "test_strays", text: "select count(*) as n from stray_blob" },
      [],
    );
    return row?.n ?? 0;
  };
});

describe("content", () => {
  test("that comes again is kept once, and stays until nobody has it", async () => {
    const content = Buffer.alloc(3 << 20, 9);
    const ids = await Promise.all(
      ["a", "b", "c"].map(async (name) => {
        const { id } = await api.client.files.upload({ file: await toFile(content, name) });
        return id;
      }),
    );
    await nothingLeft(api);
    assert.equal(keysIn(api.files).blobs.length, await blobCount());
    const [first = "", ...others] = ids;
    for (const id of others) await api.client.files.delete(id);
    const answer = await api.client.files.download(first);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content);
    await api.client.files.delete(first);
  });

  const blobCount = async () => {
    const [row] = await api.db.query<{ n: number }>(
      { name: "test_blobs", text: "select count(*) as n from blob" },
      [],
    );
    return row?.n ?? 0;
  };

  test("lies on the disk under a name that says nothing, and nobody else can read it", async () => {
    const { id } = await api.client.files.upload({ file: await toFile(Buffer.from("secret"), "../name") });
    const [row] = await api.db.query<{ key: string }>(
      { name: "test_key", text: "select key from blob b join file f using (sha256) where f.id = $1" },
      [id],
    );
    const key = row?.key ?? "";
    const path = join(api.files, "blobs", key.slice(0, 2), key);
    assert.equal(readFileSync(path, "utf8"), "secret");
    assert.equal(statSync(path).mode & 0o077, 0);
    await api.client.files.delete(id);
  });
});

test("an upload is not kept under a key of its own, and says so", async () => {
  const keyed = { ...headers, "idempotency-key": "once" };
  const answer = await fetch(`${api.url}/v1/files`, {
    method: "POST",
    headers: keyed,
    body: form(named("a")),
  });
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /idempotency-key: cannot be used here: it takes an upload/);
});

describe("a quota", () => {
  test("holds for all files of a workspace together, and what is deleted makes room", async () => {
    const quota_bytes = 10_000;
    const tight = await startTestServer({ files: { quota_bytes } });
    try {
      const upload = async (bytes: number) =>
        tight.client.files.upload({ file: await toFile(Buffer.alloc(bytes, bytes), "a") });
      const isFull = (error: unknown) =>
        error instanceof Anthropic.StorageQuotaExceededError &&
        error.status === 400 &&
        error.errorCode === "storage_quota_exceeded";
      await assert.rejects(upload(quota_bytes + 1), isFull);
      const { id } = await upload(6_000);
      await assert.rejects(upload(4_001), isFull);
      await assert.rejects(upload(3 << 20), isFull);
      await nothingLeft(tight);
      await upload(4_000);
      await assert.rejects(upload(1), isFull);
      await tight.client.files.delete(id);
      // Of many at once no more are taken than there is room for.
      const many = await Promise.allSettled(Array.from({ length: 12 }, () => upload(1_000)));
      assert.equal(many.filter(({ status }) => status === "fulfilled").length, 6);
    } finally {
      await tight.close();
    }
  });
});

describe("a download", () => {
  async function made(bytes: number) {
    const file = await toFile(Buffer.alloc(bytes, 5), "a.bin");
    const { id } = await api.client.files.upload({ file });
    const [row] = await api.db.query<{ key: string }>(
      { name: "test_key", text: "select key from blob b join file f using (sha256) where f.id = $1" },
      [id],
    );
    const key = row?.key ?? "";
    return { id, path: join(api.files, "blobs", key.slice(0, 2), key) };
  }
  const get = (id: string) =>
    fetch(`${api.url}/v1/files/${id}/content`, { headers: { "x-api-key": testKey } });

  test("whose content is damaged breaks off, and is not taken for whole", async () => {
    const { id, path } = await made(3 << 20);
    truncateSync(path, 1 << 20);
    const answer = await get(id);
    assert.equal(answer.status, 200);
    await assert.rejects(answer.arrayBuffer());
    rmSync(path);
    assert.equal((await get(id)).status, 500);
    // Of all that is done here nothing else is the server's trouble.
    assert.deepEqual(
      logged.map((line) => JSON.parse(line).err.type),
      ["BlobMissing"],
    );
    await api.client.files.delete(id);
  });

  test("that the client leaves lets go of the file", async () => {
    const { id, path } = await made(64 << 20);
    const answer = await get(id);
    await answer.body?.cancel();
    const isOpen = () =>
      readdirSync("/proc/self/fd").some((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === path;
        } catch {
          return false;
        }
      });
    while (isOpen()) await pause(5);
    await api.client.files.delete(id);
  });
});
