import { createHmac } from "node:crypto";
import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Seal, SealedPlace } from "../vault/seal.ts";

/** A request that says by its `Idempotency-Key` which ones are the same as itself. */
export interface KeyedRequest {
  principal: Principal;
  key: string;
  /** Method and path. */
  route: string;
  /** Everything else that makes the request what it is. */
  content: string;
  /** Where that holds a secret: it could be guessed by a hash whose key lies beside it. */
  seal: Pick<Seal, "seal" | "open"> | null;
}

export type Turn =
  /** Nobody has answered it, and until the transaction ends nobody else will. */
  | { do: "answer"; bodyHmac: string }
  | { do: "repeat"; answer: string }
  /** Another request had the same key. */
  | { do: "refuse" }
  /** It is being answered right now. */
  | { do: "wait" };

// The lock ends with its transaction, however that ends. Whose turn it is, is asked before the answer is looked for: one
// that was committed in between is then seen.
const lock: Statement = {
  name: "kept_answer_lock",
  text: `select hmac_key, pg_try_advisory_xact_lock(hashtextextended(json_build_array($1::text, $2::text, $3::text, $4::text)::text, 0))
    as locked from log`,
};

const find: Statement = {
  name: "kept_answer_find",
  text: `select body_hmac, body_sealed, answer from kept_answer
    where workspace_id = $1 and credential = $2 and route = $3 and key = $4
      and kept_at > drover_now() - $5 * interval '1 millisecond'`,
};

const keep: Statement = {
  name: "kept_answer_keep",
  text: `insert into kept_answer as k (workspace_id, credential, route, key, body_hmac, body_sealed, answer, kept_at)
    values ($1, $2, $3, $4, $6, $7, $8, drover_now())
    on conflict (workspace_id, credential, route, key)
    do update set body_hmac = excluded.body_hmac, body_sealed = excluded.body_sealed, answer = excluded.answer, kept_at = excluded.kept_at
      where k.kept_at <= drover_now() - $5 * interval '1 millisecond'
    returning key`,
};

const forget: Statement = {
  name: "kept_answer_forget",
  text: `delete from kept_answer k using (
      select workspace_id, credential, route, key from kept_answer
      where kept_at <= drover_now() - $1 * interval '1 millisecond' order by kept_at limit $2 for update skip locked) old
    where (k.workspace_id, k.credential, k.route, k.key) = (old.workspace_id, old.credential, old.route, old.key)
    returning k.key`,
};

/** As its rows are called where they are rewrapped. */
const placeOf = ({ principal, route, key }: KeyedRequest): SealedPlace => ({
  table: "kept_answer",
  column: "body_sealed",
  workspace_id: principal.workspaceId,
  id: `${principal.kind} ${principal.id} ${route} ${key}`,
});

const identity = ({ principal, route, key }: KeyedRequest) => [
  principal.workspaceId,
  `${principal.kind} ${principal.id}`,
  route,
  key,
];

interface Kept {
  body_hmac: string | null;
  body_sealed: string | null;
  answer: string;
}

/** Says what is to be done about a request. Only within a transaction. */
export async function takeTurn(db: Database, request: KeyedRequest): Promise<Turn> {
  const [turn] = await db.query<{ hmac_key: string; locked: boolean }>(lock, identity(request));
  if (!turn) throw new Error("the table log has no row");
  const bodyHmac = createHmac("sha256", turn.hmac_key).update(request.content).digest("hex");
  const values = [...identity(request), limits.idempotency_kept_ms];
  const [kept] = await db.query<Kept>(find, values);
  if (kept) {
    const { body_hmac, body_sealed, answer } = kept;
    const former = body_sealed === null ? body_hmac : await request.seal?.open(body_sealed, placeOf(request));
    return former === bodyHmac ? { do: "repeat", answer } : { do: "refuse" };
  }
  return turn.locked ? { do: "answer", bodyHmac } : { do: "wait" };
}

/** Keeps the answer of the request whose turn it is. */
export async function keepAnswer(
  db: Database,
  request: KeyedRequest,
  bodyHmac: string,
  answer: string,
): Promise<void> {
  const sealed = request.seal && (await request.seal.seal(bodyHmac, placeOf(request)));
  const hmac = sealed === null ? bodyHmac : null;
  const values = [...identity(request), limits.idempotency_kept_ms, hmac, sealed, answer];
  const kept = await db.query(keep, values);
  if (kept.length === 0) throw new Error("a request was answered twice under one idempotency key");
}

/** Removes what has been kept long enough. */
export async function forgetOldAnswers(db: Database): Promise<void> {
  const most = limits.idempotency_sweep_batch_max;
  for (;;) {
    const forgotten = await db.query(forget, [limits.idempotency_kept_ms, most]);
    if (forgotten.length < most) return;
  }
}
