import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { limits } from "../src/limits.ts";
import { downloaded, filesOf, filesWhen, namesOf } from "./harness/outputs.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, listed, newSession, prepare, resultsIn, turn } from "./harness/session.ts";

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
});
