import type { Session } from "../../../src/protocol/sessions.ts";

/** Of a long list only what is in sight is looked at anew: a stretch of it, which is asked for by its times. */

export interface Stretch {
  /** Its first and last session; null where it reaches to an end of the list. */
  first: Session | null;
  last: Session | null;
  order: "asc" | "desc";
}

export interface Shown {
  /** Positions in the list. */
  from: number;
  to: number;
}

/** At most so many sessions are in one: there is room in the answer for new ones. */
const stretchMax = 90;

export function stretchOf(
  list: readonly Session[],
  shown: Shown,
  order: Stretch["order"],
  isWhole: boolean,
): Stretch {
  const from = Math.max(0, Math.min(shown.from, list.length - 1));
  const to = Math.min(shown.to, from + stretchMax - 1, list.length - 1);
  return {
    first: from === 0 ? null : (list[from] ?? null),
    last: isWhole && to === list.length - 1 ? null : (list[to] ?? null),
    order,
  };
}

/** What it is asked for by. */
export function boundsOf({ first, last, order }: Stretch): Record<string, string | undefined> {
  const [newest, oldest] = order === "desc" ? [first, last] : [last, first];
  return { "created_at[lte]": newest?.created_at, "created_at[gte]": oldest?.created_at };
}

const isSame = (a: Session, b: Session) => JSON.stringify(a) === JSON.stringify(b);

/**
 * The list with that stretch as it is now, and with no other change; the same list where nothing has. `isWhole`: the answer has
 * all of it. Null: more has come at the beginning than the answer holds, so the list is to be begun anew.
 */
export function withStretch(
  list: readonly Session[],
  { first, last }: Stretch,
  answer: readonly Session[],
  isWhole: boolean,
): readonly Session[] | null {
  if (!isWhole && first === null) return null;
  const known = new Map(list.map((session) => [session.id, session]));
  const kept = (session: Session) => {
    const before = known.get(session.id);
    return before && isSame(before, session) ? before : session;
  };
  const from = first === null ? 0 : list.findIndex(({ id }) => id === first.id);
  const to = last === null ? list.length - 1 : list.findIndex(({ id }) => id === last.id);
  if (from < 0 || (last !== null && to < from)) return list;
  const now = new Map(answer.map((session) => [session.id, kept(session)]));
  const outside = new Set([...list.slice(0, from), ...list.slice(to + 1)].map(({ id }) => id));
  const within = isWhole
    ? [...now.values()].filter(({ id }) => !outside.has(id))
    : list.slice(from, to + 1).map((session) => now.get(session.id) ?? session);
  const after = [...list.slice(0, from), ...within, ...list.slice(to + 1)];
  return after.length === list.length && after.every((session, n) => session === list[n]) ? list : after;
}
