import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { requestOf } from "../model.spec.ts";
import { startAnswer } from "./answer.ts";
import { scriptOf } from "./script.ts";

/** Cuts work off that would take minutes if it grew with the square of its input, and takes far under a second. */
const within = <Result>(work: () => Result): Result =>
  runInNewContext("work()", { work }, { timeout: 20_000 });

test("a message of many texts is read in one pass", () => {
  const [step, ...others] = within(() => scriptOf(Array.from({ length: 400_000 }, () => "x")));
  assert.equal(step?.length, 400_000);
  assert.deepEqual(others, []);
});

test("a line of many spaces is read in one pass", () => {
  const text = `x${" ".repeat(1_000_000)}y`;
  assert.deepEqual(
    within(() => scriptOf([`  say ${text} \t`])),
    [[{ do: "say", text }]],
  );
});

test("an answer of many calls numbers them without counting them again", () => {
  const answer = startAnswer(requestOf("simulated", []));
  const last = within(() => {
    for (let i = 0; i < 300_000; i += 1) {
      answer.add({ type: "tool_use", id: answer.nextCallId(), name: "bash", input: {} });
    }
    return answer.nextCallId();
  });
  assert.equal(last, "toolu_sim_300001");
});
