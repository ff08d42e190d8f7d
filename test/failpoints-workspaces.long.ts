import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Failpoint } from "../src/failpoints.ts";
import { keptWorkspace } from "../src/hands/checkpoints/testing.ts";
import { begin, countDeaths, outcome, play, type Scene, startBrain, startScene } from "./harness/deaths.ts";
import { freePort } from "./harness/free-port.ts";
import { crashHere, type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { message, send } from "./harness/session.ts";

const deaths = countDeaths("workspaces");

describe("on one machine", () => {
  let processes: Processes;
  let scene: Scene;
  let hands: Running;

  before(async () => {
    processes = await startProcesses({ crashable: true });
    hands = await processes.hands();
    await startBrain({ processes });
    scene = await startScene(processes);
  });
  after(() => processes.close());

  /** By one that has nothing of its own, and nothing to do; what the old one had is kept. */
  async function replaceHost(): Promise<void> {
    await hands.stop();
    processes.emptyHost();
    hands = await processes.hands();
  }

  describe("hands dies while it brings a workspace back, which is brought back all the same", () => {
    for (const point of ["restore_asked", "restore_done"] as const) {
      test(point, async () => {
        const session = await begin(scene);
        await play(session, "bash echo kept > file\nthen\nsay one");
        await replaceHost();
        const text = "bash echo run >> runs; cat file\nthen\nsay done";
        await deaths.at(hands, point, () => send(scene.api.client, session.id, message(text)));
        hands = await processes.hands();
        const { results, runs } = await outcome(session, 2);
        assert.match(results[1] ?? "", /^kept\n.*brought back from a checkpoint/s);
        assert.equal(runs, 1);
      });
    }
  });

  describe("hands dies while it keeps a workspace, and keeps it when it is back", () => {
    for (const [point, isKept] of [
      ["checkpoint_asked", false],
      ["checkpoint_done", true],
    ] as const) {
      test(point, async () => {
        const session = await begin(scene);
        await replaceHost();
        await deaths.at(hands, point, () => play(session, "bash echo kept > file\nthen\nsay one"));
        assert.equal(processes.hasKept(session.id), isKept);
        hands = await processes.hands();
        await processes.kept(session.id);
        await replaceHost();
        await play(session, "bash cat file\nthen\nsay done", 2);
        const { results } = await outcome(session, 2);
        assert.match(results[1] ?? "", /^kept\n.*brought back from a checkpoint/s);
      });
    }
  });

  test("sandbox_removed: whoever finds the job still open does it once more", async () => {
    const session = await begin(scene);
    await play(session, "bash echo run > file\nthen\nsay done");
    await outcome(session);
    await scene.api.client.beta.sessions.delete(session.id);
    const { db } = processes;
    const jobs = async () => processes.serve(await freePort(), "--roles", "jobs");
    const open = async () =>
      (await db.query<{ n: number }>({ name: "open", text: "select count(*)::int as n from cleanup" }, []))[0]
        ?.n;
    await db.query(
      { name: "later", text: "update cleanup set try_at = drover_now() + interval '1 day'" },
      [],
    );
    const due = () => db.query({ name: "due", text: "update cleanup set try_at = drover_now()" }, []);
    await deaths.at(await jobs(), "sandbox_removed", due);
    assert.ok(!existsSync(processes.workspace(session.id).path(".")));
    assert.equal(await open(), 1);
    await due();
    const next = await jobs();
    while ((await open()) !== 0) await pause(5);
    await next.stop();
  });
});

test("checkpoint_stored: who dies before the document leaves the checkpoint that was there, and the next one makes another", async () => {
  const kept = keptWorkspace();
  const version = (text: string) => writeFileSync(join(kept.path, "file"), text);
  const restored = async () => {
    const { checkpoint, path } = await kept.restore();
    return [checkpoint?.n, readFileSync(join(path, "file"), "utf8")];
  };
  version("one");
  await kept.take();
  version("two");
  const point: Failpoint = "checkpoint_stored";
  const program = join(import.meta.dirname, "harness/take-checkpoint.ts");
  const child = fork(program, [kept.folder.path], { execArgv: ["--import", crashHere], stdio: "pipe" });
  child.send({ point, nth: 0 });
  const said: string[] = [];
  child.stderr?.on("data", (chunk) => said.push(String(chunk)));
  await once(child, "close");
  assert.deepEqual(said, [`crashes at ${point}\n`]);
  deaths.met(point);
  assert.deepEqual(await restored(), [1, "one"]);
  await kept.take();
  assert.deepEqual(await restored(), [2, "two"]);
  kept.folder.remove();
});

describe("a brain dies while it moves a session to another host, which moves once and has its files", () => {
  let processes: Processes;
  let scene: Scene;
  let brain: Serve;
  let hosts: Running[];

  before(async () => {
    processes = await startProcesses({ crashable: true, hosts: 2 });
    hosts = [await processes.hands(0), await processes.hands(1)];
    brain = await startBrain({ processes });
    scene = await startScene(processes);
  });
  after(() => processes.close());

  for (const point of ["move_asked", "move_done"] as const) {
    test(point, async () => {
      const session = await begin(scene);
      await play(session, "bash echo kept > file\nthen\nsay one");
      const on = hosts.findIndex((_, host) =>
        existsSync(processes.workspace(session.id, { host, generation: 0 }).path("file")),
      );
      await hosts[on]?.stop();
      const text = "bash echo run >> runs\nthen\nbash cat file; ls\nthen\nsay done";
      await deaths.at(brain, point, () => send(scene.api.client, session.id, message(text)));
      brain = await startBrain(scene);
      const { results } = await outcome(session, 2);
      assert.match(results[1] ?? "", /outcome of this call is unknown/);
      assert.match(results[2] ?? "", /^kept\nfile\n.*brought back from a checkpoint/s);
      const placed = { host: 1 - on, generation: 1 };
      assert.ok(existsSync(processes.workspace(session.id, placed).path("file")), "it was moved once");
      // The one that was left behind is removed as soon as its host is back.
      hosts[on] = await processes.hands(on);
      while (existsSync(processes.workspace(session.id, { host: on, generation: 0 }).path(".")))
        await pause(5);
    });
  }
});

test("every place of these tests was met", () => deaths.assertComplete());
