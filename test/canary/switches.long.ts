import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { changedVersion } from "../harness/changed-version.ts";
import { attempts } from "./attempts.ts";
import { skipCanary } from "./rig.ts";
import { runCanary } from "./run.ts";
import { switches } from "./switches.ts";

describe("without a protection, a secret is found", { skip: skipCanary }, () => {
  for (const { protection, changes, tries, finds } of switches) {
    test(protection, async () => {
      const known = attempts.map(({ name }) => name);
      assert.deepEqual(
        tries.filter((name) => !known.includes(name)),
        [],
      );
      const version = changedVersion(changes);
      try {
        const { found } = await runCanary({ main: version.main, isTried: (name) => tries.includes(name) });
        const lines = found.map(({ place, where, what }) => `${place}: ${where}: ${what}`);
        assert.match(lines.join("\n"), finds);
      } finally {
        version.remove();
      }
    });
  }
});
