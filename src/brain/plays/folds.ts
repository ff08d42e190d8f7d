import assert from "node:assert/strict";
import type { Entry } from "../../log/entry.ts";
import { fold } from "../fold.ts";

/** Wherever a log is cut in two, folding the rest onto the first part gives the whole, and leaves the part as it was. */
export function assertFolds(entries: Entry[]): void {
  freeze(entries);
  const whole = fold(entries);
  for (let cut = 0; cut <= entries.length; cut += 1) {
    const first = fold(entries.slice(0, cut));
    freeze(first);
    assert.deepEqual(fold(entries.slice(cut), first), whole, `cut after entry ${cut}`);
  }
}

/** A write to it or to anything in it throws from now on. */
function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  if (value instanceof Map) {
    for (const part of value.values()) freeze(part);
    const refuse = () => assert.fail("a frozen map was changed");
    Object.assign(value, { set: refuse, delete: refuse, clear: refuse });
    return;
  }
  for (const part of Object.values(value)) freeze(part);
  Object.freeze(value);
}
