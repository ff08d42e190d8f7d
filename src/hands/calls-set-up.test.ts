import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StaleEpoch } from "./client.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { type HandsHost, startHands } from "./host.ts";
import { connectHands } from "./one-host.ts";
import { type TestFolder, testFolder, testSpec } from "./testing.ts";
import { appears, never, request, shell, textOf } from "./testing-host.ts";

describe("a host that is asked to set a sandbox up", () => {
  let folder: TestFolder;
  let host: HandsHost;
  let hands: ReturnType<typeof connectHands>;
  const socket_path = () => join(folder.path, "hands.sock");

  before(async () => {
    folder = testFolder();
    host = await startHands({
      socket_path: socket_path(),
      data_dir: folder.path,
      driver: bubblewrap({ data_dir: folder.path }),
    });
    hands = connectHands({ socket_path: socket_path() });
  });
  after(async () => {
    hands.close();
    await host.close();
    folder.remove();
  });

  const asked = (name: string, ...setup: string[]) => ({
    session_id: `sesn_${name}`,
    sandbox_id: `sbx_${name}`,
    epoch: 1,
    spec: { ...testSpec, setup },
    restore: false,
    mounts: 0,
  });
  const inWorkspace = (name: string, file: string) =>
    join(folder.path, "sandboxes", `sbx_${name}`, "workspace", file);
  const setUp = async (scope: ReturnType<typeof asked>, client = hands) => {
    const lines: string[] = [];
    const result = await client.setUp(scope, (line) => lines.push(line), never);
    return { result, lines };
  };

  test("does it once, tells what it does, and later that it is done", async () => {
    const scope = asked("once", "echo run >> runs; echo first");
    const { result, lines } = await setUp(scope);
    assert.deepEqual(result, { status: "ready" });
    assert.deepEqual(lines, ["first"]);
    assert.deepEqual(await setUp(scope), { result: { status: "ready" }, lines: [] });
    const call = request("once", shell("cat runs"), { spec: scope.spec });
    assert.equal(textOf(await hands.execute(call, never)), "run\n");
  });

  test("has all who ask meanwhile wait for the same, and the calls too", async () => {
    const scope = asked("held", "echo run >> runs; until [ -e go ]; do sleep 0.02; done; echo over");
    const other = connectHands({ socket_path: socket_path() });
    const call = hands.execute(request("held", shell("cat runs"), { spec: scope.spec }), never);
    const both = [setUp(scope), setUp(scope, other)];
    await appears(inWorkspace("held", "runs"));
    writeFileSync(inWorkspace("held", "go"), "");
    for (const each of both) {
      const { result, lines } = await each;
      assert.deepEqual([result.status, lines.at(-1)], ["ready", "over"]);
    }
    assert.equal(textOf(await call), "run\n");
    other.close();
  });

  test("goes on when who asked is gone", async () => {
    const scope = asked("gone", "echo run >> runs; until [ -e go ]; do sleep 0.02; done");
    const leaving = connectHands({ socket_path: socket_path() });
    leaving.setUp(scope, () => {}, never).catch(() => {});
    await appears(inWorkspace("gone", "runs"));
    leaving.close();
    const next = setUp(scope);
    writeFileSync(inWorkspace("gone", "go"), "");
    assert.equal((await next).result.status, "ready");
    assert.equal(readFileSync(inWorkspace("gone", "runs"), "utf8"), "run\n");
  });

  test("says what has failed and why, and tries again when it is asked again", async () => {
    const scope = asked("fails", "echo run >> runs; echo 'no such thing' >&2; [ $(grep -c run runs) = 2 ]");
    const { result } = await setUp(scope);
    assert.equal(result.status, "failed");
    assert.match(result.status === "failed" ? result.message : "", /setup command .*: no such thing$/s);
    assert.deepEqual((await setUp(scope)).result, { status: "ready" });
  });

  test("says why where there can be no sandbox", async () => {
    const scope = asked("none", "true");
    const spec = { ...scope.spec, image: "none-of-that-name" };
    const { result } = await setUp({ ...scope, spec });
    assert.equal(result.status, "unavailable");
  });

  test("does nothing for a brain that has lost the session", async () => {
    const scope = asked("stale", "true");
    await setUp({ ...scope, epoch: 2 });
    await assert.rejects(setUp(scope), StaleEpoch);
  });
});
