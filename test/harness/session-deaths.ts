import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Failpoint } from "../../src/failpoints.ts";
import { begin, countDeaths, outcome, type Scene, startBrain, startScene } from "./deaths.ts";
import { freePort } from "./free-port.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./processes.ts";
import { isIdle, message, prepareWithSetup, send } from "./session.ts";
import { heldCommand } from "./workspace.ts";

/** Makes a test of each place of a session's turns at which a process can be made to die: of all, or of those alone. */
export function testSessionDeaths(only?: readonly Failpoint[]): void {
  const isTested = (point: Failpoint) => only === undefined || only.includes(point);
  const deaths = countDeaths("sessions");
  let processes: Processes;
  let scene: Scene;
  let brain: Serve;
  let hands: Running;

  before(async () => {
    processes = await startProcesses({ crashable: true });
    hands = await processes.hands();
    brain = await startBrain({ processes });
    scene = await startScene(processes);
  });
  after(() => processes.close());

  const twoCommands = "bash echo run >> runs\nthen\nbash grep -c run runs\nthen\nsay done";

  describe("a brain dies, and the next one goes on; the command runs once", () => {
    const ofBrains = [
      "claimed",
      "append_asked",
      "append_done",
      "model_asked",
      "model_said",
      "place_asked",
      "place_done",
      "tool_asked",
      "tool_answered",
    ] as const;
    for (const point of ofBrains.filter(isTested)) {
      test(point, async () => {
        const session = await begin(scene);
        await deaths.at(brain, point, () => send(scene.api.client, session.id, message(twoCommands)));
        brain = await startBrain(scene);
        const { results, runs } = await outcome(session);
        assert.equal(results.at(-1), "1");
        assert.equal(runs, 1);
      });
    }
  });

  describe("a brain dies over a set-up, and the next one goes on; its command runs once", () => {
    for (const point of (["setup_asked", "setup_answered"] as const).filter(isTested)) {
      test(point, async () => {
        const facts = await prepareWithSetup(scene.api.client, "echo set >> sets");
        const session = await begin({ ...scene, facts });
        const text = "bash echo run >> runs\nthen\nbash cat sets\nthen\nsay done";
        await deaths.at(brain, point, () => send(scene.api.client, session.id, message(text)));
        brain = await startBrain(scene);
        const { results, runs } = await outcome(session);
        assert.match(results.at(-1) ?? "", /^set$/m);
        assert.equal(runs, 1);
      });
    }
  });

  describe("a brain that is told to stop dies of it; the command goes on", () => {
    for (const point of (["stop_asked", "stop_done"] as const).filter(isTested)) {
      test(point, async () => {
        const session = await begin(scene);
        const workspace = processes.workspace(session.id);
        await send(scene.api.client, session.id, message(`bash ${heldCommand}\nthen\nsay done`));
        await workspace.written("runs");
        await deaths.at(brain, point, () => brain.stop());
        workspace.release();
        brain = await startBrain(scene);
        assert.deepEqual(await outcome(session), { results: ["1"], runs: 1 });
      });
    }
  });

  describe("hands dies, and says what it knows", () => {
    /** What of the first command was done, and what the model is told of it. */
    const expected = [
      ["call_read", 1, /No output/],
      ["call_noted", 0, /outcome of this call is unknown/],
      ["call_ended", 1, /outcome of this call is unknown/],
      ["call_kept", 1, /No output/],
    ] as const;
    for (const [point, ran, told] of expected.filter(([point]) => isTested(point))) {
      test(point, async () => {
        const session = await begin(scene);
        await deaths.at(hands, point, () => send(scene.api.client, session.id, message(twoCommands)));
        hands = await processes.hands();
        const { results, runs } = await outcome(session);
        assert.match(results[0] ?? "", told);
        // grep has no file to count in where nothing ran.
        if (ran > 0) assert.match(results[1] ?? "", new RegExp(`^${ran}$`, "m"));
        assert.equal(runs, ran);
      });
    }
  });

  describe("a server dies over a request with a key, and the one who repeats it finds it done once", () => {
    for (const point of (["answer_written", "answer_committed"] as const).filter(isTested)) {
      test(point, async () => {
        const { id, client, api } = await begin(scene);
        const doomed = await processes.serve(await freePort(), "--roles", "api");
        const headers = { "idempotency-key": randomUUID() };
        const ask = (client: Serve["client"]) =>
          client.beta.sessions.events.send(id, { events: [message("say hi")] }, { headers, maxRetries: 0 });
        await deaths.at(doomed, point, () => assert.rejects(ask(doomed.client)));
        const answer = await ask(api.client);
        assert.deepEqual(answer, await ask(api.client));
        await client.until(isIdle);
        await client.close();
        const sent = client.seen.filter(({ type }) => type === "user.message").map((event) => event.id);
        assert.deepEqual(
          sent,
          answer.data?.map((event) => event.id),
        );
      });
    }
  });

  if (only === undefined) test("each of them was met", () => deaths.assertComplete());
}
