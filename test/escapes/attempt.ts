import type { LimitName } from "../../src/hands/driver.ts";
import type { Rig } from "./rig.ts";

/** Attempts of one kind. */
export interface Group {
  name: string;
  attempts: Attempt[];
}

/** One try to get out of a sandbox, to harm its host or others, or to learn of them. It is bounded, whatever it succeeds in. */
export type Attempt = Probe | Attack;

interface Tried {
  name: string;
  holds: Holds;
  /** What there is to hold it: a root, or a limit on the sandbox as a whole. It is not tried where that is missing. */
  needs?: "root" | LimitName;
}

/** From inside. */
export interface Probe extends Tried {
  /**
   * Python, with `probe.py` around it: what it leaves in `said` came of it. Where what it tries can be done at all it does
   * that too, on something of its own, so that a broken probe does not look like a wall.
   */
  program: string;
  /** It may end what else runs in its sandbox, and gets one of its own. */
  alone?: true;
  /** Without its wall, packets of it leave the machine. */
  leaves?: true;
}

/** Where the host's part matters too. */
export interface Attack extends Tried {
  attack(rig: Rig): Promise<string>;
}

/** What is said when the wall held. */
export type Holds = string | RegExp;

export type Outcome = { attempt: Attempt; said: string; was: "held" | "escaped" | "broken" };

export function outcomeOf(attempt: Attempt, said: string): Outcome {
  const { holds } = attempt;
  const held = typeof holds === "string" ? said === holds : holds.test(said);
  const was = held ? "held" : said.startsWith("broken") ? "broken" : "escaped";
  return { attempt, said, was };
}

export const isProbe = (attempt: Attempt): attempt is Probe => "program" in attempt;
