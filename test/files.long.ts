import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { limits } from "../src/limits.ts";
import { type FakeS3, startFakeS3 } from "./fakes/s3.ts";
import { freePort } from "./harness/free-port.ts";
import { startProcesses } from "./harness/processes.ts";
import { testKey } from "./harness/server.ts";
import { nothingLeft } from "./harness/uploads.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-large-files-"));
let s3: FakeS3;
before(async () => {
  s3 = await startFakeS3();
});
after(async () => {
  await s3.close();
  rmSync(folder, { recursive: true, force: true });
});

const bytes = limits.file_bytes_max;
/** A fifth of what passes: a server that held the file would need all of it. */
const grown_bytes_max = 100 << 20;

/** The most memory that a process has had. */
const peakOf = (pid: number) =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

/** Content that is nowhere as a whole, each piece different. */
function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(1 << 20, 7);
  for (let n = 0; n < bytes >> 20; n += 1) {
    piece.writeUInt32LE(n);
    yield Buffer.from(piece);
  }
}

function hashOf(chunks: Iterable<Buffer>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

async function upload(url: string): Promise<{ status: number; body: { id: string; size_bytes: number } }> {
  const boundary = "drover0123456789";
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n\r\n`;
  const sending = request(`${url}/v1/files`, {
    method: "POST",
    headers: { "x-api-key": testKey, "content-type": `multipart/form-data; boundary=${boundary}` },
  });
  const answered = new Promise<{ status: number; text: string }>((resolve, reject) => {
    sending.on("error", reject);
    sending.on("response", async (response) => {
      let text = "";
      for await (const part of response) text += part;
      resolve({ status: response.statusCode ?? 0, text });
    });
  });
  function* form() {
    yield Buffer.from(head);
    yield* pieces();
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
  }
  await pipeline(Readable.from(form(), { objectMode: false }), sending);
  const { status, text } = await answered;
  return { status, body: JSON.parse(text) };
}

async function download(url: string, id: string): Promise<string> {
  const answer = await fetch(`${url}/v1/files/${id}/content`, { headers: { "x-api-key": testKey } });
  const hash = createHash("sha256");
  for await (const chunk of answer.body ?? []) hash.update(chunk);
  return hash.digest("hex");
}

const stores = {
  "a folder": () => ({ DROVER_FILES: join(folder, "files") }),
  S3: () => ({
    DROVER_FILES: `s3://${s3.settings.bucket}/large?endpoint=${s3.settings.endpoint}&region=${s3.settings.region}`,
    AWS_ACCESS_KEY_ID: s3.settings.credentials.access_key_id,
    AWS_SECRET_ACCESS_KEY: s3.settings.credentials.secret_access_key,
    AWS_SESSION_TOKEN: s3.settings.credentials.session_token ?? "",
  }),
};

for (const [name, settings] of Object.entries(stores)) {
  test(`${bytes >> 20} MB go into ${name} and out of it in memory that does not grow with them`, async () => {
    const processes = await startProcesses({
      settings: { DROVER_FILES_DOWNLOADABLE: "1", ...settings() },
    });
    try {
      const serve = await processes.serve(await freePort());
      const before = peakOf(serve.pid);
      const { status, body } = await upload(serve.url);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.size_bytes, bytes);
      assert.equal(await download(serve.url, body.id), hashOf(pieces()));
      const grown = peakOf(serve.pid) - before;
      assert.ok(grown < grown_bytes_max, `${grown >> 20} MiB more`);
      if (name === "a folder") await nothingLeft({ db: processes.db, files: join(folder, "files") });
      else assert.equal(s3.uploads.size, 0);
    } finally {
      await processes.close();
    }
  });
}
