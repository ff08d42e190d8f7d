import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { bodyOf } from "../log/entry.ts";
import { drive, type Effects } from "./drive.ts";
import { calls, factsOf, message, never, of, type Script, says, testSession } from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

test("a call that ended beside the one that finds its host gone is not taken for one that was kept", async () => {
  const scripts: Script[] = [
    () => calls("bash zero"),
    () => calls("bash one", "bash two"),
    () => says("Done."),
  ];
  const session = await testSession(db, (...asked) => (scripts.shift() ?? assert.fail("too many"))(...asked));
  await session.send(message("go"));
  const lease = await session.claim();
  const plain = session.effects(lease);
  const results = async () => of(await session.entries(), "agent.tool_result");
  let kept = "";
  const runTool: Effects["runTool"] = async (call, ...rest) => {
    const result = await plain.runTool(call, ...rest);
    if (call.input.command === "bash zero") kept = `${call.id}:1`;
    if (call.input.command !== "bash two") return result;
    // The other one has ended on the host of before, which nobody has copied since, and which is gone now.
    while ((await results()).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const checkpoint = {
      sandbox_id: "sandbox_1",
      n: 1,
      made_at: "2026-01-01T00:00:00Z",
      files: 1,
      bytes: 1,
      after_calls: [kept],
      in_use: false,
    };
    const restored = { id: "restore_1", checkpoint, skipped: 0, missing: [], missing_count: 0, untold: [] };
    return { ...result, restored };
  };
  const effects = session.effects(lease, { runTool });
  assert.equal(await drive(factsOf(session), lease, effects, never), "parked");
  const said = (await results()).map((entry) => JSON.stringify(bodyOf(entry, "agent.tool_result").content));
  assert.equal(said.length, 3);
  assert.match(said.at(-1) ?? "", /brought back.*What the latest calls have changed is not in it/);
});
