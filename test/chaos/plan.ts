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
  /** One of the sandboxes that run on a host then: the `nth`, counted around. */
  | { do: "kill_sandbox"; on: string; nth: number }
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
  /** How long a host may be gone before its sessions go on at others, when its connections have ended. */
  host_gone_ms: number;
  /** The same when nobody has ended them. */
  host_silent_ms: number;
}

type Chosen = Act extends infer Each ? (Each extends Act ? Omit<Each, "at_ms"> : never) : never;
type Kind = (random: Random, targets: Targets, options: PlanOptions) => Chosen;

const hour_ms = 3_600_000;
/** Between two acts. */
const pause_ms = { least: 200, most: 3_000 };

const between = (random: Random, { least, most }: { least: number; most: number }) =>
  least + random.below(most - least + 1);

const killServe: Kind = (random, { serves }) => ({
  do: "kill",
  part: random.pick(serves),
  for_ms: between(random, { least: 0, most: 2_000 }),
});
const killHost: Kind = (random, { hands }) => ({
  do: "kill",
  part: random.pick(hands),
  for_ms: between(random, { least: 0, most: 1_000 }),
});
/** Others take its sessions over in the meantime. */
const takeHostAway: Kind = (random, { hands }, { host_gone_ms }) => ({
  do: "kill",
  part: random.pick(hands),
  for_ms: host_gone_ms + between(random, { least: 500, most: 4_000 }),
});
/** Others take its sessions over in the meantime. */
const freezeServe: Kind = (random, { serves }, { lease_ms }) => ({
  do: "freeze",
  part: random.pick(serves),
  for_ms: lease_ms + between(random, { least: 1_500, most: 6_000 }),
});
const freezeHost: Kind = (random, { hands }) => ({
  do: "freeze",
  part: random.pick(hands),
  for_ms: between(random, { least: 500, most: 4_000 }),
});
/** Others take its sessions over in the meantime, and its sandboxes run on. */
const freezeHostForLong: Kind = (random, { hands }, { host_silent_ms }) => ({
  do: "freeze",
  part: random.pick(hands),
  for_ms: host_silent_ms + between(random, { least: 1_000, most: 5_000 }),
});
const killSandbox: Kind = (random, { hands }) => ({
  do: "kill_sandbox",
  on: random.pick(hands),
  nth: random.below(1_000),
  for_ms: 0,
});
const breakLink: Kind = (random, { links }) => ({
  do: "break",
  link: random.pick(links),
  fault: random.pick(faults),
  for_ms: between(random, { least: 200, most: 6_000 }),
});
/** Nobody there is heard of for so long that others take over. */
const breakLinkForLong: Kind = (random, { links }, { lease_ms, host_silent_ms }) => ({
  do: "break",
  link: random.pick(links),
  fault: random.pick(["cut", "half_open"]),
  for_ms: Math.max(lease_ms, host_silent_ms) + between(random, { least: 500, most: 3_000 }),
});
const restartPostgres: Kind = (random) => ({
  do: "restart_postgres",
  ending: random.pick(endings),
  for_ms: between(random, { least: 0, most: 1_500 }),
});
const moveClock: Kind = (random) => ({
  do: "move_clock",
  by_ms: (random.chance(0.5) ? 1 : -1) * between(random, { least: 5_000, most: hour_ms }),
  for_ms: between(random, { least: 2_000, most: 10_000 }),
});

/** How often each kind is among the acts of about one minute. */
const shares: [Kind, number][] = [
  [killServe, 8],
  [killHost, 3],
  [takeHostAway, 2],
  [freezeServe, 2],
  [freezeHost, 1],
  [freezeHostForLong, 2],
  [killSandbox, 2],
  [breakLink, 8],
  [breakLinkForLong, 2],
  [restartPostgres, 3],
  [moveClock, 2],
];

/**
 * Pure: the same acts for the same seed and targets. Whatever is harmed is whole again before it is harmed anew. Kinds
 * are dealt like cards, so that none waits for its luck: one that cannot be played now goes back among the others.
 */
export function planOf(seed: number, targets: Targets, options: PlanOptions): Act[] {
  const random = randomOf(seed, 0);
  const acts: Act[] = [];
  const harmedUntil = new Map<string, number>();
  const cards: Kind[] = [];
  let at = 500;
  while (at < options.run_ms) {
    if (cards.length === 0)
      cards.push(...shares.flatMap(([kind, times]) => Array.from({ length: times }, () => kind)));
    const [kind = killServe] = cards.splice(random.below(cards.length), 1);
    const act = { at_ms: at, ...kind(random, targets, options) };
    const target = targetOf(act);
    const end = act.at_ms + act.for_ms;
    if ((harmedUntil.get(target) ?? 0) <= at && end <= options.run_ms) {
      acts.push(act);
      harmedUntil.set(target, end);
    } else cards.push(kind);
    at += between(random, pause_ms);
  }
  return acts;
}

/** What an act harms: one thing at a time is done to it. */
export function targetOf(act: Chosen): string {
  switch (act.do) {
    case "kill":
    case "freeze":
      return act.part;
    case "kill_sandbox":
      return act.on;
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
    case "kill_sandbox":
      return `kill a sandbox on ${act.on}`;
    case "break":
      return `${act.fault} ${act.link}`;
    case "restart_postgres":
      return `restart postgres (${act.ending})`;
    case "move_clock":
      return `move the clock by ${Math.round(act.by_ms / 1_000)} s`;
  }
}
