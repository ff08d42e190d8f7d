import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { toFile } from "@anthropic-ai/sdk";
import { freePort } from "./harness/free-port.ts";
import { startPart } from "./harness/part.ts";
import { startProcesses } from "./harness/processes.ts";
import { clientOf, testKey } from "./harness/server.ts";
import { keysIn, nothingLeft } from "./harness/uploads.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-uploads-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a server that is killed in the middle of an upload leaves what the next one removes", async () => {
  const files = join(folder, "killed");
  const processes = await startProcesses({ settings: { DROVER_FILES: files } });
  const { db } = processes;
  try {
    const port = await freePort();
    const serve = await processes.serve(port);
    const kept = await serve.client.files.upload({ file: await toFile(Buffer.from("kept"), "kept.txt") });
    const boundary = "drover0123456789";
    const sending = request(`${serve.url}/v1/files`, {
      method: "POST",
      headers: {
        "x-api-key": testKey,
        "content-type": `multipart/form-data; boundary=${boundary}`,
        "content-length": 64 << 20,
      },
    });
    const broken = once(sending, "error");
    sending.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`);
    sending.write(Buffer.alloc(8 << 20, 7));
    const isUnderWay = () =>
      keysIn(files).incoming.some((key) => statSync(join(files, "incoming", key)).size > 4 << 20);
    while (!isUnderWay()) await pause(2);
    await serve.kill();
    await broken;
    assert.equal(keysIn(files).incoming.length, 1);

    // Nobody can say of a key that is still coming that it is over, before its time is.
    const again = await processes.serve(port);
    assert.equal(keysIn(files).incoming.length, 1);
    await again.stop();
    await db.query({ name: "test_due", text: "update stray_blob set remove_at = drover_now()" }, []);
    const last = await processes.serve(port);
    while (keysIn(files).incoming.length > 0) await pause(5);
    const strays = { name: "test_strays", text: "select key from stray_blob" };
    while ((await db.query(strays, [])).length > 0) await pause(5);
    await nothingLeft({ db, files });
    const listed = await last.client.files.list();
    assert.deepEqual(
      listed.data.map(({ id }) => id),
      [kept.id],
    );
  } finally {
    await processes.close();
  }
});

test("a full disk refuses an upload in clear words, keeps nothing of it, and all the rest goes on", {
  skip: process.getuid?.() === 0 ? false : "mounting a small disk needs root",
}, async () => {
  const files = join(folder, "full");
  const processes = await startProcesses();
  try {
    const port = await freePort();
    const { PATH } = process.env;
    // The disk is in a mount namespace of the server's own, and goes with it.
    const mount = 'mkdir -p "$0" && mount -t tmpfs -o size=4m,mode=700 tmpfs "$0" && exec "$@"';
    const env = {
      PATH,
      DATABASE_URL: processes.db.url,
      DROVER_API_KEY: testKey,
      DROVER_DATA_DIR: join(folder, "data"),
      DROVER_PORT: String(port),
      DROVER_FILES: files,
      DROVER_FILES_DOWNLOADABLE: "1",
    };
    const log: string[] = [];
    const through = ["unshare", "-m", "sh", "-c", mount, files];
    const child = await startPart(["serve"], env, { through, heard: (line) => void log.push(line) });
    try {
      const client = clientOf(`http://127.0.0.1:${port}`);
      const content = Buffer.alloc(1 << 20, 1);
      const { id } = await client.files.upload({ file: await toFile(content, "fits.bin") });
      for (let n = 0; n < 3; n += 1) {
        const large = await toFile(Buffer.alloc(8 << 20, 2), "large.bin");
        const error = await client.files.upload({ file: large }).then(
          () => assert.fail("it was taken"),
          (error) => error,
        );
        assert.equal(error.status, 507, error.message);
        assert.equal(error.type, "api_error");
        assert.match(error.message, /file store of this server is full, and nothing was kept/);
      }
      // Said once each, for the SDK does not repeat it.
      assert.equal(log.filter((line) => line.includes("ENOSPC")).length, 3);
      await client.files.upload({ file: await toFile(Buffer.alloc(2 << 20, 3), "fits-too.bin") });
      assert.deepEqual(Buffer.from(await (await client.files.download(id)).arrayBuffer()), content);
      assert.equal((await client.files.list()).data.length, 2);
      const strays = { name: "test_strays", text: "select key from stray_blob" };
      assert.deepEqual(await processes.db.query(strays, []), []);
    } finally {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  } finally {
    await processes.close();
  }
});
