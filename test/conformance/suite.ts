import type { Context } from "./context.ts";

/** One item of the checklist: what a compatible server does, and how a client sees that it does. */
export type Item = { number: number; text: string } & (Checked | Unchecked);

interface Checked {
  /** Throws where the server does otherwise. */
  check(context: Context): Promise<void>;
  /** What the check leaves out. */
  except: string | null;
}

interface Unchecked {
  check: null;
  /** Why there is no check. */
  reason: string;
}

/** A section of the checklist. */
export interface Group {
  title: string;
  items: Item[];
}

export const item = (
  number: number,
  text: string,
  check: Checked["check"],
  { except = null }: { except?: string | null } = {},
): Item => ({ number, text, check, except });

export const notYet = (number: number, text: string, reason: string): Item => ({
  number,
  text,
  check: null,
  reason,
});
