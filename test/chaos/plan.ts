import { type Random, randomOf } from "../harness/fuzz/random.ts";

/** What can go wrong with a connection. */
export const faults = ["cut", "lose_answers", "delay", "half_open"] as const;
export type Fault = (typeof faults)[number];

/** How PostgreSQL ends: `fast` rolls back and shuts down, the others leave it to recover. */
const endings = ["fast", "immediate", "killed"] as const;
export type Ending = (typeof endings)[number];

/** One thing that the adversary does, `at_ms` after the start; it is undone `for_ms` later. */
export type Act = { at_ms: number; for_ms: number } & (
  | { do: "kill"; part: string }
  | { do: "freeze"; part: string }
  | { do: "break"; link: string; fault: Fault }
  | { do: "restart_postgres"; ending: Ending }
  | { do: "move_clock"; by_ms: number }
);

/** What there is to harm, by name. */
export interface Targets {
  serves: readonly string[];
  hands: readonly string[];
  links: readonly string[];
}

export interface PlanOptions {
  run_ms: number;
  /** How long a brain may stand still before the others take it for dead. */
  lease_ms: number;
}

const hour_ms = 3_600_000;
/** Between two acts. */
const pause_ms = { least: 200, most: 3_000 };

/** Pure: the same acts for the same seed and targets. Whatever is harmed is whole again before it is harmed anew. */
export function planOf(seed: number, targets: Targets, options: PlanOptions): Act[] {
  const random = randomOf(seed, 0);
  const acts: Act[] = [];
  const harmedUntil = new Map<string, number>();
  let at = 500;
  while (at < options.run_ms) {
    const act = { at_ms: at, ...chooseAct(random, targets, options) };
    const target = targetOf(act);
    const end = act.at_ms + act.for_ms;
    if ((harmedUntil.get(target) ?? 0) <= at && end <= options.run_ms) {
      acts.push(act);
      harmedUntil.set(target, end);
    }
    at += between(random, pause_ms);
  }
  return acts;
}

type Chosen = Act extends infer Each ? (Each extends Act ? Omit<Each, "at_ms"> : never) : never;

function chooseAct(random: Random, targets: Targets, { lease_ms }: PlanOptions): Chosen {
  const share = random.below(100);
  if (share < 30)
    return {
      do: "kill",
      part: random.pick(targets.serves),
      for_ms: between(random, { least: 0, most: 2_000 }),
    };
  if (share < 40)
    return {
      do: "kill",
      part: random.pick(targets.hands),
      for_ms: between(random, { least: 0, most: 1_000 }),
    };
  if (share < 50) {
    // Others take its sessions over in the meantime.
    const for_ms = lease_ms + between(random, { least: 1_500, most: 6_000 });
    return { do: "freeze", part: random.pick(targets.serves), for_ms };
  }
  if (share < 55) {
    const for_ms = between(random, { least: 500, most: 4_000 });
    return { do: "freeze", part: random.pick(targets.hands), for_ms };
  }
  if (share < 85) {
    const for_ms = between(random, { least: 200, most: 6_000 });
    return { do: "break", link: random.pick(targets.links), fault: random.pick(faults), for_ms };
  }
  if (share < 93) {
    const for_ms = between(random, { least: 0, most: 1_500 });
    return { do: "restart_postgres", ending: random.pick(endings), for_ms };
  }
  const by_ms = (random.chance(0.5) ? 1 : -1) * between(random, { least: 5_000, most: hour_ms });
  return { do: "move_clock", by_ms, for_ms: between(random, { least: 2_000, most: 10_000 }) };
}

const between = (random: Random, { least, most }: { least: number; most: number }) =>
  least + random.below(most - least + 1);

/** What an act harms: one thing at a time is done to it. */
export function targetOf(act: Chosen): string {
  switch (act.do) {
    case "kill":
    case "freeze":
      return act.part;
    case "break":
      return act.link;
    case "restart_postgres":
      return "postgres";
    case "move_clock":
      return "clock";
  }
}

/** As a report says it. */
export function told(act: Act): string {
  switch (act.do) {
    case "kill":
      return `kill ${act.part}`;
    case "freeze":
      return `freeze ${act.part}`;
    case "break":
      return `${act.fault} ${act.link}`;
    case "restart_postgres":
      return `restart postgres (${act.ending})`;
    case "move_clock":
      return `move the clock by ${Math.round(act.by_ms / 1_000)} s`;
  }
}
