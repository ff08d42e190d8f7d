import type { Database } from "../db/database.ts";
import type { Lease } from "../log/lease.ts";
import { drive, type Effects } from "./drive.ts";
import type { SessionFacts } from "./session.ts";
import { factsOf, freeLease, never, type TestSession } from "./testing.ts";

export class Crash extends Error {}

/** Lets `n` boundaries pass, then dies at the next one: before or after each append and each effect. */
function crashAt(n: number, effects: Effects): { effects: Effects; crashed(): boolean } {
  let passed = 0;
  let dead = false;
  const boundary = () => {
    if (dead || passed === n) {
      dead = true;
      throw new Crash();
    }
    passed += 1;
  };
  const within = async <T>(run: () => Promise<T>): Promise<T> => {
    boundary();
    const result = await run();
    boundary();
    return result;
  };
  return {
    crashed: () => dead,
    effects: {
      ...effects,
      append: (request) => within(() => effects.append(request)),
      async *callModel(request, signal) {
        boundary();
        for await (const event of effects.callModel(request, signal)) {
          boundary();
          yield event;
        }
      },
      listMcp: (...asked) => within(() => effects.listMcp(...asked)),
      runTool: (...asked) => within(() => effects.runTool(...asked)),
    },
  };
}

/** Drives a session until it dies at that boundary, and gives its lease up as its death would. False: it came to its end before. */
export async function diesAt(
  n: number,
  db: Database,
  session: TestSession,
  facts: SessionFacts = factsOf(session),
  effectsOf: (lease: Lease) => Effects = (lease) => session.effects(lease),
): Promise<boolean> {
  const lease = await session.claim();
  const { effects, crashed } = crashAt(n, effectsOf(lease));
  await drive(facts, lease, effects, never).catch((error) => {
    if (!(error instanceof Crash)) throw error;
  });
  if (crashed()) await freeLease(db, session.id);
  return crashed();
}
