import { setTimeout as pause } from "node:timers/promises";
import type { Parts } from "./parts.ts";
import { type Act, targetOf } from "./plan.ts";

/** An act as it was carried out: times of this process, in `ms`. */
export interface Harm {
  act: Act;
  from: number;
  /** Once all was whole again. */
  until: number;
}

/** Carries a plan out to its end; afterwards everything is as it was. */
export async function harm(parts: Parts, plan: readonly Act[], tell: (act: Act) => void): Promise<Harm[]> {
  const since = Date.now();
  /** What is harmed now, until it is whole again. */
  const harmed = new Map<string, Promise<Harm>>();
  const performed: Promise<Harm>[] = [];
  for (const act of plan) {
    await pause(act.at_ms - (Date.now() - since));
    const target = targetOf(act);
    const performing = Promise.resolve(harmed.get(target)).then(async () => {
      tell(act);
      const from = Date.now();
      await perform(parts, act);
      return { act, from, until: Date.now() };
    });
    harmed.set(target, performing);
    performed.push(performing);
  }
  return Promise.all(performed);
}

async function perform(parts: Parts, act: Act): Promise<void> {
  switch (act.do) {
    case "kill":
      await parts.kill(act.part);
      await pause(act.for_ms);
      return parts.start(act.part);
    case "freeze":
      parts.freeze(act.part);
      await pause(act.for_ms);
      return parts.thaw(act.part);
    case "kill_sandbox":
      return parts.killSandbox(act.on, act.nth);
    case "break": {
      const link = parts.links.get(act.link);
      link?.fail(act.fault);
      await pause(act.for_ms);
      return link?.mend();
    }
    case "restart_postgres":
      return parts.restartPostgres(act.ending, act.for_ms);
    case "move_clock":
      await parts.moveClock(act.by_ms);
      await pause(act.for_ms);
      return parts.moveClock(0);
  }
}
