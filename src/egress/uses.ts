import { randomBytes } from "node:crypto";
import { limits } from "../limits.ts";
import type { Use } from "../net/vault-wire.ts";
import type { VaultClient } from "./vault-client.ts";

/** Who has used something, and asks for secrets: by its pass, a session of which serve knows. */
export interface Asking {
  session_id: string;
  pass: string;
}

export const keyOf = ({ session_id, pass }: Asking): string => JSON.stringify([session_id, pass]);

interface Counted extends Use {
  asking: Asking;
}

/** Uses of credentials that serve was not told yet, counted by what was used where and what came of it. */
export interface Uses {
  add(asking: Asking, use: Pick<Use, "id" | "host" | "outcome">): void;
  /** Says what was not said yet, if that can be done in a while. */
  close(): Promise<void>;
}

/** What is told in one message. Where nobody has answered it may have been heard nonetheless, and is told again as it was. */
interface Part {
  asking: Asking;
  tell: string;
  uses: Use[];
}

export function createUses(ask: VaultClient["ask"], onTrouble: (error: unknown) => void): Uses {
  let backlog = new Map<string, Counted>();
  /** How many different ones of each session are in it. */
  let counts = new Map<string, number>();
  let untold: Part[] = [];
  let lost = 0;
  let timer: NodeJS.Timeout | null = null;
  let telling: Promise<void> | null = null;

  function keep(use: Counted): void {
    const of = keyOf(use.asking);
    const key = JSON.stringify([of, use.id, use.host, use.outcome]);
    const same = backlog.get(key);
    const count = counts.get(of) ?? 0;
    if (same) {
      same.count += use.count;
      if (use.at > same.at) same.at = use.at;
    } else if (count >= limits.vault_uses_of_session_max && use.host !== more.host) keep({ ...use, ...more });
    else if (backlog.size < limits.vault_uses_backlog_max) {
      backlog.set(key, use);
      counts.set(of, count + 1);
    } else lost += use.count;
  }

  function tellSoon(): void {
    timer ??= setTimeout(() => {
      timer = null;
      tell().catch(onTrouble);
    }, limits.vault_uses_ms).unref();
  }

  async function tellAll(): Promise<void> {
    await tellParts(untold);
    // Whoever is away hears of all that follows together.
    if (untold.length > 0) return;
    const told = backlog;
    backlog = new Map();
    counts = new Map();
    const sessions = Map.groupBy(told.values(), ({ asking }) => keyOf(asking));
    await tellParts([...sessions.values()].flatMap(inParts));
    if (lost > 0)
      onTrouble(new Error(`${lost} uses of credentials will not be in any audit: serve was away`));
    lost = 0;
  }

  async function tellParts(parts: Part[]): Promise<void> {
    const answers = await Promise.all(
      parts.map(({ asking, tell, uses }) => ask({ type: "used", ...asking, tell, uses })),
    );
    untold = parts.filter((_, i) => answers[i] === null);
  }

  function tell(): Promise<void> {
    telling ??= tellAll().finally(() => {
      telling = null;
      if (backlog.size + untold.length > 0) tellSoon();
    });
    return telling;
  }

  return {
    add(asking, use) {
      keep({ asking, ...use, count: 1, at: new Date().toISOString() });
      tellSoon();
    },
    async close() {
      const late = Promise.withResolvers<void>();
      const timeout = setTimeout(late.resolve, limits.vault_goodbye_ms);
      await Promise.race([late.promise, Promise.resolve(telling).then(tell)]);
      clearTimeout(timeout);
      if (timer) clearTimeout(timer);
    },
  };
}

/** What is said of uses beyond those that a session may have there by their names, as in its audit: it takes no one else's room. */
const more = { host: "*", outcome: "more" };

/** Of one session, as many as one message may hold. */
function inParts(uses: Counted[]): Part[] {
  const size = limits.vault_uses_at_once_max;
  const [first] = uses;
  if (!first) return [];
  return Array.from({ length: Math.ceil(uses.length / size) }, (_, i) => ({
    asking: first.asking,
    tell: newTell(),
    uses: uses.slice(i * size, (i + 1) * size).map(({ asking: _, ...use }) => use),
  }));
}

const newTell = () => randomBytes(9).toString("base64url");
