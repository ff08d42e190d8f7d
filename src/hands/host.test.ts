import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { limits } from "../limits.ts";
import { StaleEpoch } from "./client.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { type HandsHost, type HandsOptions, startHands } from "./host.ts";
import { connectHands } from "./one-host.ts";
import { type TestFolder, testFolder, testSpec } from "./testing.ts";
import { appears, exec, finished, gone, never, request, shell, textOf } from "./testing-host.ts";
import type { Operation } from "./wire.ts";

describe("a sandbox host", () => {
  let folder: TestFolder;
  let host: HandsHost;
  const socket_path = () => join(folder.path, "hands.sock");
  const workspace = (name: string) => join(folder.path, "sandboxes", `sbx_${name}`, "workspace");
  const start = (more: Partial<HandsOptions> = {}) =>
    startHands({
      socket_path: socket_path(),
      data_dir: folder.path,
      driver: bubblewrap({ data_dir: folder.path }),
      ...more,
    });
  let hands: ReturnType<typeof connectHands>;

  before(async () => {
    folder = testFolder();
    host = await start();
    hands = connectHands({ socket_path: socket_path() });
  });
  after(async () => {
    hands.close();
    await host.close();
    folder.remove();
  });

  test("that is told to forget a sandbox forgets the calls of that one, and of no other of its session", async () => {
    const names = { session_id: "sesn_twice", keep_output_as: null };
    const [old, next] = ["sbx_twice", "sbx_twice-1"].map((sandbox_id) =>
      request("twice", shell("echo run >> runs; wc -l < runs"), { ...names, sandbox_id }),
    );
    assert.ok(old && next);
    for (const each of [old, next]) assert.equal(textOf(await hands.execute(each, never)), "1\n");
    const scope = { session_id: "sesn_twice", sandbox_id: old.sandbox_id, epoch: 1 };
    await hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: true });
    assert.equal(textOf(await hands.execute(next, never)), "1\n", "it is not run again");
    assert.equal(finished(await hands.execute({ ...next, call_id: "more" }, never)).fresh_shell, false);
    const again = finished(await hands.execute(old, never));
    assert.deepEqual([textOf(again), again.fresh_shell], ["1\n", false], "nothing is left of the other one");
    assert.ok(existsSync(join(workspace("twice"), "runs")), "it ran again, and was not remembered");
  });

  test("outlives a sandbox that floods the pipes between them", async () => {
    const floods = [
      "for f in /run/drover/*.ctl; do (timeout 3 tr '\\0' a </dev/zero >$f) & done; sleep 2",
      "for f in /run/drover/*.ctl; do (timeout 3 yes aaaa >$f) & done; sleep 2",
      "tr '\\0' a </dev/zero | head -c 100000000 >/proc/1/fd/1",
    ];
    for (const flood of floods) {
      await hands.execute(request("flood", shell(flood)), never);
      assert.equal(textOf(await hands.execute(request("dry", shell("echo dry")), never)), "dry\n");
    }
    assert.equal(
      textOf(await hands.execute(request("flood", shell("echo again")), never))
        .trim()
        .endsWith("again"),
      true,
    );
  });

  test("runs shell commands one after the other, in one shell", async () => {
    const results = await Promise.all([
      hands.execute(request("order", shell("sleep 0.05; X=1; echo a")), never),
      hands.execute(request("order", shell("echo b$X")), never),
      hands.execute(request("order", shell("echo c$X")), never),
    ]);
    assert.deepEqual(results.map(textOf), ["a\n", "b1\n", "c1\n"]);
    assert.deepEqual(
      results.map((each) => finished(each).fresh_shell),
      [false, false, false],
    );
  });

  test("runs processes beside a shell command", async () => {
    const waiting = hands.execute(
      request("beside", shell("until [ -e go ]; do sleep 0.01; done; echo went")),
      never,
    );
    const other = await hands.execute(request("beside", exec("touch", "go")), never);
    assert.equal(finished(other).exit_code, 0);
    assert.equal(textOf(await waiting), "went\n");
  });

  test("keeps stdout and stderr of a process apart, and passes its stdin", async () => {
    const operation: Operation = {
      type: "exec",
      argv: ["bash", "-c", "cat; echo err >&2; exit 4"],
      stdin_base64: Buffer.from("a\0b\xff", "latin1").toString("base64"),
    };
    const result = finished(await hands.execute(request("apart", operation), never));
    assert.equal(result.exit_code, 4);
    assert.equal(result.output_base64, operation.stdin_base64);
    assert.equal(Buffer.from(result.stderr_base64, "base64").toString(), "err\n");
  });

  test("runs a command once, whoever asks, however often, and whenever", async () => {
    const once = request("once", shell("echo run >>count; sleep 0.1; cat count"));
    const others = [
      connectHands({ socket_path: socket_path() }),
      connectHands({ socket_path: socket_path() }),
    ];
    const askers = [hands, ...others, hands];
    const results = await Promise.all(askers.map((asker) => asker.execute(once, never)));
    for (const other of others) other.close();
    results.push(await hands.execute(once, never));
    assert.deepEqual(results.map(textOf), Array(5).fill("run\n"));
  });

  test("keeps no result that is very large, and does not run the command again for it", async () => {
    const length = (limits.hands_result_kept_chars_max / 4) * 3 + 1;
    const large = request("large", exec("sh", "-c", `echo run >>count; head -c ${length} /dev/zero`), {
      output_bytes: length,
    });
    assert.equal(textOf(await hands.execute(large, never)).length, length);
    const again = await hands.execute(large, never);
    assert.equal(
      again.status === "lost" && again.reason,
      "the command ended, but its result was too large to be kept until it was asked for",
    );
    assert.equal(textOf(await hands.execute(request("large", exec("cat", "count")), never)), "run\n");
  });

  test("goes on when the asker is gone, and answers whoever asks next", async () => {
    const slow = request(
      "gone",
      shell("touch begun; until [ -e go ]; do sleep 0.01; done; echo run >>count; cat count"),
    );
    const first = connectHands({ socket_path: socket_path() });
    const lost = first.execute(slow, never);
    await appears(join(workspace("gone"), "begun"));
    first.close();
    await assert.rejects(lost, /closed/);
    await hands.execute(request("gone", exec("touch", "go")), never);
    assert.equal(textOf(await hands.execute(slow, never)), "run\n");
  });

  test("refuses an epoch lower than it has seen, for everything it is asked", async () => {
    await hands.execute(request("stale", shell("true"), { epoch: 5 }), never);
    const old = request("stale", shell("touch stale"), { epoch: 4 });
    await assert.rejects(hands.execute(old, never), StaleEpoch);
    await assert.rejects(hands.provision(old), StaleEpoch);
    await assert.rejects(
      hands.destroy({ ...old, keep_workspace: false, keep_checkpoints: false }),
      StaleEpoch,
    );
    assert.equal(existsSync(join(workspace("stale"), "stale")), false);
    assert.equal(
      textOf(await hands.execute(request("stale", shell("echo new"), { epoch: 5 }), never)),
      "new\n",
    );
  });

  test("lets a newer brain attach to what an older one began", async () => {
    const begun = request("attach", shell("touch begun; until [ -e go ]; do sleep 0.01; done; echo done"), {
      epoch: 1,
    });
    const old = hands.execute(begun, never);
    await appears(join(workspace("attach"), "begun"));
    const taken = hands.execute({ ...begun, epoch: 2 }, never);
    await hands.execute(request("attach", exec("touch", "go"), { epoch: 2 }), never);
    assert.deepEqual([textOf(await old), textOf(await taken)], ["done\n", "done\n"]);
  });

  test("cancels a running command and one that waits", async () => {
    const abort = new AbortController();
    const running = hands.execute(
      request("cancel", shell("echo so far; touch begun; sleep 1000")),
      abort.signal,
    );
    const waiting = hands.execute(request("cancel", shell("touch never")), abort.signal);
    await appears(join(workspace("cancel"), "begun"));
    abort.abort();
    const results = [await running, await waiting].map(finished);
    assert.deepEqual(
      results.map(({ cancelled, exit_code }) => [cancelled, exit_code]),
      [
        [true, null],
        [true, null],
      ],
    );
    assert.deepEqual(results.map(textOf), ["so far\n", ""]);
    const late = hands.execute(request("cancel", shell("touch never")), AbortSignal.abort());
    assert.equal(finished(await late).cancelled, true);
    assert.equal(existsSync(join(workspace("cancel"), "never")), false);
  });

  test("says when the shell was lost, once, and not when that was asked for", async () => {
    const fresh = async (command: string) =>
      finished(await hands.execute(request("fresh", shell(command)), never)).fresh_shell;
    assert.deepEqual(
      [await fresh("true"), await fresh("exit 3"), await fresh("true"), await fresh("true")],
      [false, false, true, false],
    );
    await hands.execute(request("fresh", { type: "shell_restart" }), never);
    assert.equal(await fresh("true"), false);
  });

  test("refuses a NUL byte without running anything", async () => {
    const result = finished(await hands.execute(request("nul", shell("echo a\0b")), never));
    assert.equal(result.exit_code, 2);
    assert.match(textOf(result), /NUL/);
    const process = finished(await hands.execute(request("nul", exec("echo", "a\0b")), never));
    assert.equal(process.exit_code, 2);
  });

  test("ends a sandbox with its commands, keeping the workspace if asked", async () => {
    const running = hands.execute(request("destroy", shell("touch begun; sleep 1000")), never);
    await appears(join(workspace("destroy"), "begun"));
    const scope = { session_id: "sesn_destroy", sandbox_id: "sbx_destroy", epoch: 1 };
    await hands.destroy({ ...scope, keep_workspace: true, keep_checkpoints: true });
    assert.equal((await running).status, "lost");
    const after = await hands.execute(request("destroy", shell("ls")), never);
    assert.deepEqual([textOf(after), finished(after).fresh_shell], ["begun\n", true]);
    await hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: false });
    assert.equal(existsSync(workspace("destroy")), false);
  });

  test("says why there is no sandbox, and runs nothing", async () => {
    const result = await hands.execute(
      request("image", shell("touch ran"), { spec: { ...testSpec, image: "debian:12" } }),
      never,
    );
    assert.equal(result.status, "unavailable");
  });

  test("says in plain words what fails on the host, and goes on once it is mended", async () => {
    const inTheWay = join(folder.path, "sandboxes", "sbx_blocked");
    writeFileSync(inTheWay, "");
    const scope = request("blocked", shell("true"));
    await hands.provision(scope);
    const blocked = await hands.execute(scope, never);
    assert.equal(blocked.status, "unavailable");
    assert.match(blocked.reason, /^a file lies where the sandbox host needs a folder/);
    rmSync(inTheWay);
    assert.equal(finished(await hands.execute(request("blocked", shell("true")), never)).exit_code, 0);

    const journal = join(folder.path, "journal", "sesn_unkept.jsonl");
    mkdirSync(journal);
    const unkept = request("unkept", shell("touch ran"));
    await hands.provision(unkept);
    const refused = await hands.execute(unkept, never);
    // Whether it ran before is written there, and cannot be read.
    assert.equal(refused.status, "lost");
    assert.equal(existsSync(join(workspace("unkept"), "ran")), false);
    rmdirSync(journal);
    assert.equal(finished(await hands.execute(unkept, never)).exit_code, 0);
  });

  test("says that the user ids of its sandboxes are used up", {
    skip: process.getuid?.() !== 0 && "only root gives sandboxes users of their own",
  }, async (t) => {
    const small = testFolder();
    const at = join(small.path, "hands.sock");
    const driver = bubblewrap({ data_dir: small.path, uids: { first: 1_900_500_000, count: 1 } });
    const narrow = await startHands({ socket_path: at, data_dir: small.path, driver });
    const client = connectHands({ socket_path: at });
    t.after(async () => {
      client.close();
      await narrow.close();
      small.remove();
    });
    writeFileSync(join(small.path, "sandboxes", "sbx_none"), "");
    const none = await client.execute(request("none", shell("true")), never);
    assert.equal(none.status, "unavailable");
    // What failed has taken none of them.
    assert.equal(finished(await client.execute(request("one", shell("true")), never)).exit_code, 0);
    const two = await client.execute(request("two", shell("true")), never);
    assert.match(two.status === "unavailable" ? two.reason : "", /user ids of the sandboxes are taken/);
  });

  test("takes up to its limit of sandboxes, ending the longest unused", async (t) => {
    const small = testFolder();
    const at = join(small.path, "hands.sock");
    const driver = bubblewrap({ data_dir: small.path });
    const crowded = await startHands({ socket_path: at, data_dir: small.path, driver, sandboxes_max: 2 });
    const client = connectHands({ socket_path: at });
    t.after(async () => {
      client.close();
      await crowded.close();
      small.remove();
    });
    await client.execute(request("a", shell("sleep 1000 & X=1")), never);
    await client.execute(request("b", shell("X=1")), never);
    await client.execute(request("c", shell("X=1")), never);
    const fresh = async (name: string) =>
      finished(await client.execute(request(name, shell("true")), never)).fresh_shell;
    assert.equal(await fresh("a"), false);
    assert.equal(await fresh("b"), true);
    await client.execute(request("b", shell("sleep 1000 &")), never);
    const full = await client.execute(request("c", shell("true")), never);
    assert.match(full.status === "unavailable" ? full.reason : "", /all 2 sandboxes/);
  });

  test("ends what is long unused, but not under a background job", async (t) => {
    const small = testFolder();
    const at = join(small.path, "hands.sock");
    const driver = bubblewrap({ data_dir: small.path });
    const impatient = await startHands({ socket_path: at, data_dir: small.path, driver, idle_ms: 30 });
    const client = connectHands({ socket_path: at });
    t.after(async () => {
      client.close();
      await impatient.close();
      small.remove();
    });
    await client.execute(request("busy", shell("sleep 1000 & X=1")), never);
    await client.execute(request("idle", shell("touch kept; X=1")), never);
    await gone("sbx_idle", small);
    const busy = await client.execute(request("busy", shell("echo $X")), never);
    assert.deepEqual([finished(busy).fresh_shell, textOf(busy)], [false, "1\n"]);
    const idle = await client.execute(request("idle", shell("ls; echo $X")), never);
    assert.deepEqual([finished(idle).fresh_shell, textOf(idle)], [true, "kept\n\n"]);
  });

  test("ends the connection of whoever says too much at once, and goes on saying it", async () => {
    const socket = connect({ path: socket_path(), allowHalfOpen: true });
    socket.on("error", () => {});
    const answers: Buffer[] = [];
    socket.on("data", (data: Buffer) => answers.push(data));
    const chunk = Buffer.alloc(1 << 20, "x");
    const talk = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", talk);
    talk();
    await new Promise((closed) => socket.once("close", closed));
    assert.match(Buffer.concat(answers).toString(), /a line exceeds 67108864 bytes/);
  });

  test("answers bad lines and lives on", async () => {
    const socket = connect(socket_path());
    const lines = createInterface({ input: socket });
    const answers: unknown[] = [];
    const bad = [
      "{",
      "[]",
      '{"type":"cancel"}',
      '{"type":"execute","n":7,"session_id":"../x"}',
      '{"type":"cancel","n":8,"session_id":"sesn_x","sandbox_id":"sbx_x","epoch":1,"call_id":"x"}',
    ];
    socket.write(`${bad.join("\n")}\n`);
    for await (const line of lines) if (answers.push(JSON.parse(line)) === bad.length) break;
    socket.destroy();
    const kinds = answers.map((answer) => (answer as { type: string; n: number }).type);
    assert.deepEqual(kinds, ["error", "error", "error", "error", "ok"]);
    assert.deepEqual(
      answers.map((answer) => (answer as { n: number }).n),
      [-1, -1, -1, 7, 8],
    );
  });

  test("lets only its owner connect, and refuses a second host", async () => {
    assert.equal(statSync(socket_path()).mode & 0o777, 0o600);
    await assert.rejects(start(), /already serves/);
    await assert.rejects(start({ socket_path: `/tmp/${"x".repeat(120)}` }), /longer than 107 bytes/);
  });
});
