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

export function createUses(ask: VaultClient["ask"], onTrouble: (error: unknown) => void): Uses {
  let backlog = new Map<string, Counted>();
  /** How many different ones of each session are in it. */
  let counts = new Map<string, number>();
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
    const told = backlog;
    backlog = new Map();
    counts = new Map();
    const sessions = Map.groupBy(told.values(), ({ asking }) => keyOf(asking));
    await Promise.all([...sessions.values()].flatMap(inParts).map(tellPart));
    if (lost > 0)
      onTrouble(new Error(`${lost} uses of credentials will not be in any audit: serve was away`));
    lost = 0;
  }

  async function tellPart(part: Counted[]): Promise<void> {
    const [first] = part;
    if (!first) return;
    const uses = part.map(({ asking: _, ...use }) => use);
    const answer = await ask({ type: "used", ...first.asking, uses });
    if (answer === null) for (const use of part) keep(use);
  }

  function tell(): Promise<void> {
    telling ??= tellAll().finally(() => {
      telling = null;
      if (backlog.size > 0) tellSoon();
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
function inParts(uses: Counted[]): Counted[][] {
  const size = limits.vault_uses_at_once_max;
  return Array.from({ length: Math.ceil(uses.length / size) }, (_, i) =>
    uses.slice(i * size, (i + 1) * size),
  );
}
