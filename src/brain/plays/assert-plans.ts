import type { TestContext } from "node:test";
import fc from "fast-check";
import type { TestDatabase } from "../../db/testing.ts";
import { assertFolds } from "./folds.ts";
import { type Plan, plans } from "./plan.ts";
import { type Played, play } from "./play.ts";
import { assertSame } from "./replay.ts";
import { assertRules } from "./rules.ts";

/**
 * Plays as many plans and checks what they come to. A failure shows the smallest plan that fails, and what happened in
 * it; `DROVER_TEST_SEED` and `DROVER_TEST_PATH`, its `path`, play it again.
 */
export async function assertPlans(t: TestContext, db: TestDatabase, count: number): Promise<void> {
  const seed = Number(process.env.DROVER_TEST_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`DROVER_TEST_SEED=${seed}`);
  const property = fc.asyncProperty(plans, async (plan: Plan) => {
    const trace: string[] = [];
    try {
      const played = await ending(play(db, plan, trace));
      assertRules(played);
      for (const { rows } of [played, ...played.forks]) assertFolds(rows.entries);
      if (plan.again) {
        const trace_again: string[] = [];
        const again = { played: await ending(play(db, plan, trace_again)), trace: trace_again };
        assertSame({ played, trace }, again);
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${why}\n\nWhat happened:\n${trace.join("\n")}`, { cause: error });
    }
  });
  await fc.assert(property, { numRuns: count, seed, path: process.env.DROVER_TEST_PATH });
}

/** A play that nobody goes on with any more is a failure as any other, whose trace is shown. */
async function ending(playing: Promise<Played>): Promise<Played> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it stands still")), standstill_ms);
  return Promise.race([playing, promise]).finally(() => clearTimeout(timer));
}

const standstill_ms = 60_000;
