import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../limits.ts";
import { nowAndThen } from "./now-and-then.ts";

test("of many lines the first and the newest are told, the longer it takes the fewer, and the last before it ends", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const pass = (ms: number) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const told: string[] = [];
  const lines = nowAndThen((line) => told.push(line));
  for (let n = 0; n < 5; n += 1) lines.say(`a${n}`);
  assert.deepEqual(told, ["a0"]);
  pass(limits.setup_line_pause_ms);
  assert.deepEqual(told, ["a0", "a4"]);
  pass(limits.setup_line_pause_ms);
  assert.deepEqual(told, ["a0", "a4"], "nothing is told twice");
  lines.say("b");
  assert.deepEqual(told, ["a0", "a4", "b"]);

  told.length = 0;
  const minutes = 20;
  for (let n = 0; n < minutes * 60 * 10; n += 1) {
    lines.say(`c${n}`);
    pass(100);
  }
  assert.ok(told.length > 100 && told.length < limits.setup_lines_max, `${told.length} lines`);
  const count = told.length;
  lines.say("never told");
  lines.close();
  pass(1_000_000);
  assert.equal(told.length, count);
});
