import { test } from "node:test";

/**
 * Whether this run takes the time for all that the tests can do, as that of the long tests does: a file that asks for it is
 * run by `npm test` and, as a whole, by `npm run test:all`.
 */
export const isLong = process.env.DROVER_TEST_LONG === "1";

/** A test that costs much and is rarely broken, among others that do not. */
export const longTest: typeof test = isLong ? test : Object.assign(async () => {}, test);
