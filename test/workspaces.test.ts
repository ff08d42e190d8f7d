import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { damage } from "../src/hands/checkpoints/testing.ts";
import { expireWorkspaces } from "../src/log/expiry.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, listed, newSession, prepare, resultsIn, turn } from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

describe("a workspace whose host is gone", () => {
  let server: TestServer;
  let facts: Facts;
  before(async () => {
    server = await startTestServer();
    facts = await prepare(server.client);
  });
  after(() => server.close());

  const entriesOf = (id: string) =>
    server.db.query<{ type: string; body: { restored: { missing_count: number } } }>(
      { name: "entries", text: "select type, body from event where session_id = $1 order by seq" },
      [id],
    );
  const ask = async (id: string, command: string) =>
    resultsIn(await turn(server.client, id, command))[0] ?? "";

  test("is there again on another one, with its files, home and outputs, and the model is told", async () => {
    const { id } = await newSession(server.client, facts);
    const kept = server.hands.kept(id);
    await ask(id, "bash echo one > a; echo two > ~/b; echo three > /mnt/session/outputs/c; chmod 700 a");
    const checkpoint = await kept;
    await server.hands.replace();
    assert.ok(!existsSync(server.workspace(id).path("a")));
    const said = await ask(id, "bash cat a ~/b /mnt/session/outputs/c; stat -c %a a; echo more >> a");
    assert.match(said, /^one\ntwo\nthree\n700\n/);
    assert.ok(said.includes(`brought back from a checkpoint of ${checkpoint.made_at} (3 files)`), said);
    assert.doesNotMatch(said, /not as before|latest calls/);
    const [restored, ...others] = (await entriesOf(id)).filter(({ type }) => type === "workspace_restored");
    assert.equal(restored?.body.restored.missing_count, 0);
    assert.equal(others.length, 0);
    assert.equal(await ask(id, "bash cat a"), "one\nmore");
    assert.deepEqual(resultsIn(await listed(server.client, id)).at(-2), said);
  });

  test("is told of once by calls that run at a time, whichever of their results is heard", async () => {
    const { id } = await newSession(server.client, facts);
    await ask(id, "bash echo one > a");
    await server.hands.replace();
    const results = resultsIn(await turn(server.client, id, "bash cat a\nbash cat a\nbash cat a"));
    assert.equal(results.length, 3);
    for (const result of results) assert.match(result, /^one/);
    assert.equal(results.filter((result) => result.includes("brought back")).length, 1);
    assert.equal(await ask(id, "bash cat a"), "one");
  });

  test("has what the storage has damaged told to the model, and in the log; the rest is there", async () => {
    const { id } = await newSession(server.client, facts);
    const kept = server.hands.kept(id);
    await ask(id, "bash echo good > good; echo spoilt > spoilt");
    await kept;
    await server.hands.replace();
    damage(server.hands.storage, "spoilt\n");
    const said = await ask(id, "bash ls; cat good");
    assert.match(said, /^good\ngood\n/);
    assert.match(said, /1 path not as before:\n\/workspace\/spoilt: it is damaged in the storage/);
    const [restored] = (await entriesOf(id)).filter(({ type }) => type === "workspace_restored");
    assert.equal(restored?.body.restored.missing_count, 1);
  });

  test("is told of with the next one, where nobody has heard the result that told of it", async () => {
    const { id } = await newSession(server.client, facts);
    const kept = server.hands.kept(id);
    await ask(id, "bash echo good > good; echo spoilt > spoilt");
    await kept;
    await server.hands.replace();
    damage(server.hands.storage, "spoilt\n");
    const unheard = ask(id, `bash ${heldCommand}`);
    await server.workspace(id).written("runs");
    await server.hands.replace();
    assert.match(await unheard, /^The outcome of this call is unknown/);
    const said = await ask(id, "bash ls");
    assert.match(said, /^good\nruns\n/);
    assert.match(
      said,
      /had been brought back themselves.*\n1 path not as before:\n\/workspace\/spoilt: it is damaged/,
    );
    assert.equal(await ask(id, "bash ls"), "good\nruns");
  });

  test("that was never kept is empty, and the model is told", async () => {
    const { id } = await newSession(server.client, facts);
    await ask(id, "bash echo one > a");
    await server.hands.replace();
    rmSync(join(server.hands.storage, "documents/workspaces", id), { recursive: true });
    const said = await ask(id, "bash ls");
    assert.match(said, /no checkpoint of its files: the workspace is empty/);
    assert.equal(await ask(id, "bash ls"), "[No output.]");
  });

  test("that cannot be brought back now is not replaced by an empty one", async () => {
    const { id } = await newSession(server.client, facts);
    await ask(id, "bash echo one > a");
    await server.hands.replace();
    const idFile = join(server.hands.storage, "storage-id");
    const storageId = readFileSync(idFile);
    rmSync(idFile);
    assert.match(
      await ask(id, "bash ls"),
      /No sandbox is available: the workspace could not be brought back/,
    );
    writeFileSync(idFile, storageId);
    assert.match(await ask(id, "bash cat a"), /^one\n/);
  });

  test("of a session's first call is not missed", async () => {
    const { id } = await newSession(server.client, facts);
    await server.hands.replace();
    assert.equal(await ask(id, "bash ls"), "[No output.]");
  });

  test("that was kept for long enough is empty the next time, and its history is not", async () => {
    const { id } = await newSession(server.client, facts);
    const kept = server.hands.kept(id);
    await ask(id, "bash echo one > a");
    await kept;
    const history = await listed(server.client, id);
    const aged = {
      name: "age",
      text: "update session_head set sandbox_at = now() - interval '31 days' where session_id = $1",
    };
    await server.db.query(aged, [id]);
    assert.deepEqual(await expireWorkspaces(server.db, 30), [id]);
    while (existsSync(server.workspace(id).path("a"))) await pause(10);
    assert.deepEqual(await listed(server.client, id), history);
    assert.match(await ask(id, "bash ls"), /no checkpoint of its files: the workspace is empty/);
    await ask(id, "bash echo two > b");
    assert.equal(await ask(id, "bash ls"), "b");
  });

  test("goes with its session, and its checkpoints too", async () => {
    const { id } = await newSession(server.client, facts);
    const kept = server.hands.kept(id);
    await ask(id, "bash echo one > a");
    await kept;
    const documents = join(server.hands.storage, "documents/workspaces", id, id.replace("sesn_", "sbx_"));
    assert.ok(existsSync(join(documents, "1.json")));
    await server.client.beta.sessions.delete(id);
    while (existsSync(join(documents, "1.json"))) await pause(10);
  });
});
