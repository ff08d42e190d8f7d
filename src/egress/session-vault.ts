import { limits } from "../limits.ts";
import type { SessionSecrets, Use } from "../net/vault-wire.ts";
import { createRedactor, type Redactor, redactorFrom } from "../vault/redact.ts";
import { type Asking, createUses, keyOf } from "./uses.ts";
import { createVaultClient, type VaultClientOptions } from "./vault-client.ts";

/** What is known of a session's credentials, and what hides all of them, and those that they were before. The same object for as long as nothing changes. */
export interface Known extends SessionSecrets {
  redactor: Redactor;
}

/** Serve could not be asked. */
export class VaultAway extends Error {
  override readonly name: string = "VaultAway";

  constructor(message = sayAway) {
    super(message);
  }

  /** What programs are told then. */
  get answer() {
    return { status: 503, text: this.message } as const;
  }
}

const sayAway =
  "Drover cannot find out at present which credentials of this session are for this host: its server is away. Try again.";

/** This machine has no serve, and nobody has said where one is. */
export class VaultMissing extends VaultAway {
  override readonly name = "VaultMissing";

  constructor() {
    super(sayMissing);
  }
}

const sayMissing =
  'This session has credentials, and its sandbox host has no drover serve and no way to one, so that this connection is not made. The administrator has to set DROVER_EGRESS_UPSTREAM there, as docs/OPERATIONS.md says under "Credentials on those hosts".';

/**
 * The secrets of the sessions whose programs have connections here. In memory alone, by need, and no longer than they are
 * used.
 */
export interface SessionVault {
  /** Null for a session without any: it has ended, or the pass is not its own. Rejects with `VaultAway` or `VaultMissing`. */
  secretsOf(asking: Asking): Promise<Known | null>;
  /** Says in a while that it was used, however long serve is away. */
  used(asking: Asking, use: Pick<Use, "id" | "host" | "outcome">): void;
  /** Says what was not said yet, if it can. */
  close(): Promise<void>;
}

export interface SessionVaultOptions extends VaultClientOptions {
  believed_ms?: number;
  forgotten_ms?: number;
  sessions_max?: number;
  onTrouble?(error: unknown): void;
}

interface Entry {
  known: Known | null;
  /** By the clock of `performance`: when it was asked for, and when anybody has last wanted it. */
  asked_at: number;
  wanted_at: number;
  /** While serve is asked. */
  asking: Promise<Known | null> | null;
}

export function createSessionVault(options: SessionVaultOptions): SessionVault {
  const {
    believed_ms = limits.credentials_believed_ms,
    forgotten_ms = limits.credentials_forgotten_ms,
    sessions_max = limits.credentials_sessions_max,
    onTrouble = () => {},
  } = options;
  const client = createVaultClient(options);
  let isMissingSaid = false;
  /** The one that was wanted last is at the end. */
  const entries = new Map<string, Entry>();
  const forgetting = setInterval(() => {
    const before = performance.now() - forgotten_ms;
    for (const [key, { wanted_at, asking }] of entries)
      if (wanted_at < before && asking === null) entries.delete(key);
  }, forgotten_ms / 2).unref();
  const uses = createUses(client.ask, onTrouble);

  /** Which whoever runs this hears of once. */
  function missing(): VaultMissing {
    const error = new VaultMissing();
    if (!isMissingSaid) onTrouble(error);
    isMissingSaid = true;
    return error;
  }

  async function askFor(entry: Entry, { session_id, pass }: Asking): Promise<Known | null> {
    const asked_at = performance.now();
    try {
      const answer = await client.ask({ type: "resolve", session_id, pass });
      if (answer?.type !== "resolved") throw new VaultAway();
      entry.known = withRedactor(answer.secrets, entry.known);
      entry.asked_at = asked_at;
      return entry.known;
    } catch (error) {
      entry.known = null;
      throw error;
    } finally {
      entry.asking = null;
    }
  }

  return {
    async secretsOf(asking) {
      const key = keyOf(asking);
      const now = performance.now();
      const entry = entries.get(key) ?? {
        known: null,
        asked_at: Number.NEGATIVE_INFINITY,
        wanted_at: now,
        asking: null,
      };
      entry.wanted_at = now;
      entries.delete(key);
      entries.set(key, entry);
      for (const oldest of entries.keys()) {
        if (entries.size <= sessions_max) break;
        entries.delete(oldest);
      }
      if (now - entry.asked_at < believed_ms) return entry.known;
      if (client.isMissing()) throw missing();
      entry.asking ??= askFor(entry, asking);
      return entry.asking;
    },
    used: uses.add,
    async close() {
      clearInterval(forgetting);
      await uses.close();
      client.close();
      entries.clear();
    },
  };
}

/** Making a redactor takes some time: one that hides the same is kept. What was a secret may still come back. */
function withRedactor(secrets: SessionSecrets | null, before: Known | null): Known | null {
  if (secrets === null) return null;
  if (before !== null) {
    const { redactor, ...rest } = before;
    if (JSON.stringify(rest) === JSON.stringify(secrets)) return before;
  }
  const hidden = secrets.secrets.map((each) =>
    each.type === "repository"
      ? { secret: each.token }
      : { secret: each.secret, placeholder: each.placeholder },
  );
  return { ...secrets, redactor: before ? redactorFrom(before.redactor, hidden) : createRedactor(hidden) };
}
