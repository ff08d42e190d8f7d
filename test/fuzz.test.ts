import { test } from "node:test";
import { fuzz } from "./harness/fuzz/run.ts";

/** `DROVER_TEST_SEED` sends others. */
const seed = Number(process.env.DROVER_TEST_SEED ?? 1);

test(`500 malformed requests are refused and change nothing (seed ${seed})`, () => fuzz(500, seed));
