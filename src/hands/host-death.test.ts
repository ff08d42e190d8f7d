import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { StaleEpoch } from "./client.ts";
import { connectHands } from "./one-host.ts";
import { type TestFolder, testFolder } from "./testing.ts";
import { appears, exec, finished, gone, never, processesIn, request, shell, textOf } from "./testing-host.ts";

describe("a sandbox host that dies", () => {
  const program = fileURLToPath(new URL("./testing-hands.ts", import.meta.url));
  let folder: TestFolder;
  let child: ChildProcess;
  const socket_path = () => join(folder.path, "hands.sock");
  const workspace = () => join(folder.path, "sandboxes/sbx_dies/workspace");

  async function begin(): Promise<void> {
    // A descriptor that its parent left open must not reach the sandboxes.
    const leaked = openSync("/", "r");
    child = spawn(process.execPath, [program, folder.path, socket_path()], {
      stdio: ["ignore", "pipe", "inherit", leaked, leaked, leaked],
    });
    assert.ok(child.stdout);
    await once(child.stdout, "data");
  }

  before(async () => {
    folder = testFolder();
    await begin();
  });
  after(async () => {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
    folder.remove();
  });

  test("loses what ran, keeps what finished and the workspace, and runs nothing twice", async (t) => {
    const troubles: Error[] = [];
    const hands = connectHands({ socket_path: socket_path(), onTrouble: (error) => troubles.push(error) });
    t.after(() => hands.close());
    const done = request("dies", shell("echo done >>count; cat count"), { epoch: 3 });
    assert.equal(textOf(await hands.execute(done, never)), "done\n");
    const hung = request("dies", shell("echo begun >>count; echo $$ >shell; sleep 1000"), { epoch: 3 });
    const asking = hands.execute(hung, never);
    await appears(join(workspace(), "shell"));
    while (!processesIn("sbx_dies", folder).includes("sleep")) await delay(5);

    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    await gone("sbx_dies", folder);
    await begin();

    const result = await asking;
    assert.equal(result.status, "lost");
    assert.equal((await hands.execute(hung, never)).status, "lost");
    assert.equal(textOf(await hands.execute(done, never)), "done\n");
    await assert.rejects(hands.execute(request("dies", shell("true"), { epoch: 2 }), never), StaleEpoch);
    const next = await hands.execute(request("dies", shell("cat count"), { epoch: 3 }), never);
    assert.deepEqual([textOf(next), finished(next).fresh_shell], ["done\nbegun\n", true]);
    assert.ok(troubles.length > 0);
  });

  test("gave its sandboxes nothing of what was open in it", async (t) => {
    const hands = connectHands({ socket_path: socket_path() });
    t.after(() => hands.close());
    const links = await hands.execute(
      request("dies", exec("bash", "-c", "readlink /proc/[0-9]*/fd/*"), { epoch: 3 }),
      never,
    );
    const strange = textOf(links).split("\n");
    assert.deepEqual(
      strange.filter(
        (link) => !/^(\/run\/(drover\/|init$)|\/dev\/null$|\/proc\/|pipe:|socket:|$)/.test(link),
      ),
      [],
    );
  });
});
