import assert from "node:assert/strict";
import { test } from "node:test";
import { battery } from "./battery.ts";
import { ofBubblewrap } from "./drivers.ts";
import { tryToLeave } from "./try-to-leave.ts";

test("there are as many attempts as were promised, each by a name of its own", () => {
  const names = battery.flatMap(({ name, attempts }) => attempts.map((each) => `${name}: ${each.name}`));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 60, `${names.length}`);
});

tryToLeave(ofBubblewrap);
