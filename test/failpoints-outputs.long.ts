import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { begin, countDeaths, outcome, type Scene, startBrain, startScene } from "./harness/deaths.ts";
import { downloaded, filesOf, filesWhen } from "./harness/outputs.ts";
import { type Processes, type Running, startProcesses } from "./harness/processes.ts";
import { message, send } from "./harness/session.ts";

const deaths = countDeaths("outputs");
let processes: Processes;
let scene: Scene;
let brain: Running;
let hands: Running;

before(async () => {
  processes = await startProcesses({ crashable: true });
  hands = await processes.hands();
  brain = await startBrain({ processes });
  scene = await startScene(processes);
});
after(() => processes.close());

const begun = () => begin(scene);
const write = ({ id }: { id: string }) =>
  send(
    scene.api.client,
    id,
    message("bash echo run >> runs; echo text > /mnt/session/outputs/file.txt\nthen\nsay done"),
  );

/** Nobody is at it any more, and the host has nothing to tell of. */
async function settled(id: string): Promise<void> {
  const text = "select count(*)::int as n from output_turn where session_id = $1 and until > drover_now()";
  for (;;) {
    const [row] = await processes.db.query<{ n: number }>({ name: "turns", text }, [id]);
    if (row?.n === 0) return;
    await pause(20);
  }
}

/** One file, and one content in one row, however often it was begun. */
async function assertOnce(session: Awaited<ReturnType<typeof begun>>): Promise<void> {
  const { client } = scene.api;
  await filesWhen(client, session.id, (files) => files.length > 0);
  await settled(session.id);
  const files = await filesOf(client, session.id);
  assert.deepEqual(
    files.map(({ filename }) => filename),
    ["file.txt"],
  );
  assert.equal(String(await downloaded(client, files[0]?.id ?? "")), "text\n");
  const text = "select count(*)::int as n from file where scope_session_id = $1";
  const [rows] = await processes.db.query<{ n: number }>({ name: "files", text }, [session.id]);
  assert.equal(rows?.n, 1);
  assert.equal((await outcome(session)).runs, 1);
}

for (const point of ["output_received", "output_taken"] as const) {
  test(`${point}: a brain dies while it takes an output, and the next one takes it once`, async () => {
    const session = await begun();
    await deaths.at(brain, point, () => write(session));
    brain = await startBrain(scene);
    await assertOnce(session);
  });
}

test("output_read: hands dies while an output is taken, and hands it over when it is back", async () => {
  const session = await begun();
  await deaths.at(hands, "output_read", () => write(session));
  hands = await processes.hands();
  await assertOnce(session);
});

test("every place of these tests was met", () => deaths.assertComplete());
