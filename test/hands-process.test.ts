import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { connectHands } from "../src/hands/one-host.ts";
import { testFolder } from "../src/hands/testing.ts";
import { never, request, shell, textOf } from "../src/hands/testing-host.ts";

const main = join(import.meta.dirname, "../src/main.ts");
const folder = testFolder();
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
  folder.remove();
});

/** `drover hands` on the one data directory, at a socket of its own. */
function begin(name: string): { child: ChildProcess; socket_path: string } {
  const socket_path = join(folder.path, `${name}.sock`);
  const env = {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    DROVER_DATA_DIR: join(folder.path, "data"),
    XDG_RUNTIME_DIR: folder.path,
  };
  const child = spawn(process.execPath, [main, "hands", "--socket", socket_path], {
    ...{ env, stdio: ["ignore", "ignore", "pipe"] },
  });
  running.add(child);
  child.once("close", () => running.delete(child));
  return { child, socket_path };
}

test("a second host on the same folder does not begin, and harms nothing of the first", async () => {
  const first = begin("first");
  first.child.stderr?.resume();
  const hands = connectHands(first);
  const run = async (command: string) =>
    textOf(await hands.execute(request("lives", shell(command)), never)).trim();
  assert.equal(await run("here=still; echo $here"), "still");
  const { child: second } = begin("second");
  const errors = second.stderr ?? assert.fail();
  errors.on("data", (chunk) => String(chunk).includes('"ready"') && second.kill("SIGKILL"));
  const [said, [code]] = await Promise.all([text(errors), once(second, "close")]);
  assert.match(said, new RegExp(`another drover hands \\(pid ${first.child.pid}\\) already runs on `));
  assert.notEqual(code, 0);
  assert.equal(await run("echo $here"), "still");
  hands.close();
  const ended = once(first.child, "close");
  first.child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});
