import { randomInt } from "node:crypto";
import { test } from "node:test";
import { assertUnharmed } from "./assert-unharmed.ts";

/** Another one each time; `DROVER_TEST_SEED` makes the plan of a run that failed. */
const seed = Number(process.env.DROVER_TEST_SEED ?? randomInt(2 ** 31));
const minute_ms = 60_000;

test(
  `chaos loses nothing and does nothing twice (seed ${seed})`,
  { timeout: 6 * minute_ms },
  async (context) => void (await assertUnharmed(context, { seed, run_ms: minute_ms / 3, players: 6 })),
);
