import { randomInt } from "node:crypto";
import { test } from "node:test";
import { fuzz } from "./harness/fuzz/run.ts";

/** Others each time; `DROVER_TEST_SEED` sends those of a run that failed. */
const seed = Number(process.env.DROVER_TEST_SEED ?? randomInt(2 ** 31));

test(`10,000 malformed requests are refused and change nothing (seed ${seed})`, () => fuzz(10_000, seed));
