import { contextOf, type Target } from "./context.ts";
import { within } from "./following.ts";
import type { Group, Item } from "./suite.ts";

export type Verdict = "holds" | "does not hold" | "not yet";

export interface Result {
  number: number;
  text: string;
  verdict: Verdict;
  /** What does not hold, what was not checked, or why nothing was. */
  why: string | null;
}

/** Results by the groups of the checklist. */
export interface Report {
  title: string;
  results: Result[];
}

/** Items that are checked at once: sessions wait for their server more than they keep it busy. */
const items_at_once = 8;
/** Of the longest wait for one thing: what an item may take as a whole. */
const waits_per_item_max = 4;

/** Checks all items of the groups, several at once. */
export async function checkAll(
  groups: Group[],
  target: Target,
  told: (result: Result) => void = () => {},
): Promise<Report[]> {
  const items = groups.flatMap((group) => group.items);
  const results = new Map<Item, Result>();
  const isSilent = ({ number }: Item) => number === silent_item;
  const waiting = [...items.filter(isSilent), ...items.filter((item) => !isSilent(item))];
  const work = async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) {
      const result = await resultOf(item, target);
      results.set(item, result);
      told(result);
    }
  };
  await Promise.all(Array.from({ length: items_at_once }, work));
  return groups.map(({ title, items: own }) => ({
    title,
    results: own.flatMap((item) => results.get(item) ?? []),
  }));
}

/** It waits for a ping, so it is begun first. */
const silent_item = 37;

async function resultOf(item: Item, target: Target): Promise<Result> {
  const { number, text } = item;
  if (item.check === null) return { number, text, verdict: "not yet", why: item.reason };
  const { context, clean } = contextOf(target);
  try {
    const all = waits_per_item_max * target.wait_ms;
    await within(all, item.check(context), () => "the whole item");
    return { number, text, verdict: "holds", why: item.except && `not checked: ${item.except}` };
  } catch (error) {
    return { number, text, verdict: "does not hold", why: whyOf(error) };
  } finally {
    await clean();
  }
}

/** What an error says, and what it was caused by, as one line. */
function whyOf(error: unknown): string {
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) messages.push(cause.message);
  const said = messages.length > 0 ? messages.join(": ") : String(error);
  return said.replace(/\s+/g, " ").slice(0, 500);
}
