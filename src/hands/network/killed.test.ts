import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bubblewrap } from "../drivers/bubblewrap.ts";
import { connectHands, type OneHost } from "../one-host.ts";
import { type TestFolder, testFolder, testSpec } from "../testing.ts";
import { finished, gone, never, request, shell, textOf } from "../testing-host.ts";
import type { SandboxSpec } from "../wire.ts";
import { type FakeEgress, fakeEgress } from "./testing-egress.ts";

const spec: SandboxSpec = {
  ...testSpec,
  network: { type: "unrestricted" },
  limits: { ...testSpec.limits, network_bytes: 1 << 20 },
};
const program = fileURLToPath(new URL("../testing-hands.ts", import.meta.url));

describe("a host that is killed while its sandboxes use the network", () => {
  let folder: TestFolder;
  let egress: FakeEgress;
  let child: ChildProcess;
  let hands: OneHost;
  let problem: string | null;

  async function begin(): Promise<void> {
    child = spawn(process.execPath, [program, folder.path, join(folder.path, "hands.sock")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout ?? assert.fail(), "data");
  }
  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }
  const run = async (command: string) =>
    finished(await hands.execute(request("killed", shell(command), { spec }), never));

  before(async () => {
    folder = testFolder();
    problem = await bubblewrap({ data_dir: folder.path }).check();
    egress = await fakeEgress(join(folder.path, "egress.sock"), (socket, { refuse }) => {
      socket.resume();
      socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${refuse ?? "x".repeat(800_000)}`);
    });
    await begin();
    hands = connectHands({ socket_path: join(folder.path, "hands.sock") });
  });
  after(async () => {
    hands.close();
    await end("SIGTERM");
    await egress.close();
    folder.remove();
  });

  test("has them on it again afterwards, and what they have used is not forgotten", async (t) => {
    if (problem !== null) return t.skip(problem);
    const size = "curl -s http://a.example/ | wc -c";
    assert.equal(textOf(await run(size)), "800000\n");
    // What is counted is written down when the sandbox ends; of a host that is killed, some seconds may be missing.
    await hands.destroy({
      ...{ session_id: "sesn_killed", sandbox_id: "sbx_killed", epoch: 1 },
      ...{ keep_workspace: true, keep_checkpoints: true },
    });
    await run("curl -sS http://a.example/ --limit-rate 1k >part & sleep 0.1");
    await end("SIGKILL");
    await gone("sbx_killed", folder);
    await begin();
    assert.ok(Number(textOf(await run(size))) < 800_000);
    assert.match(textOf(await run("curl -sS http://a.example/")), /has used the 1 MB of network traffic/);
  });

  test("has given them nothing of what it holds open", async (t) => {
    if (problem !== null) return t.skip(problem);
    const open = textOf(await run("readlink /proc/self/fd/* /proc/1/fd/*"));
    assert.doesNotMatch(open, /net:|user:/);
    assert.match(open, /init/);
  });
});
