import { randomUUID } from "node:crypto";
import type { Database, Statement } from "../db/database.ts";
import { limits } from "../limits.ts";

/**
 * The right to take the outputs of one session: one has it at a time, for as long as it says so again and again. Who has lost it
 * writes nothing more.
 */
export interface Turn {
  session_id: string;
  workspace_id: string;
  owner: string;
}

/** Where outputs were found. */
export interface FoundAt {
  session_id: string;
  host_id: string;
  generation: number;
}

// That of a process that has died is free at once. A host hands over the outputs of the sessions that are there, and of no others.
const take: Statement = {
  name: "output_turn_take",
  text: `
with here as (
  select s.id, s.workspace_id from session s join placement p on p.session_id = s.id
  where s.id = $1 and p.host_id = $2 and p.generation = $3
), taken as (
  insert into output_turn as t (session_id, process, owner, until)
  select id, $4, $5, drover_now() + $6 * interval '1 millisecond' from here
  on conflict (session_id) do update set process = excluded.process, owner = excluded.owner, until = excluded.until
    where t.until <= drover_now() or not exists (select from process p where p.id = t.process)
  returning session_id
)
select here.workspace_id, exists (select from taken) as taken from here`,
};

/** `gone`: there is no such session, or it is elsewhere. `busy`: somebody else takes its outputs. */
export async function takeTurn(db: Database, at: FoundAt, process: number): Promise<Turn | "gone" | "busy"> {
  const owner = randomUUID();
  const values = [at.session_id, at.host_id, at.generation, process, owner, limits.output_turn_ms];
  const [row] = await db.query<{ workspace_id: string; taken: boolean }>(take, values);
  if (!row) return "gone";
  return row.taken ? { session_id: at.session_id, workspace_id: row.workspace_id, owner } : "busy";
}

const renew: Statement = {
  name: "output_turn_renew",
  text: `update output_turn set until = drover_now() + $3 * interval '1 millisecond'
    where session_id = $1 and owner = $2 and until > drover_now() returning session_id`,
};

/** Keeps it until the returned function is called. `lost` hears that somebody else may have it. */
export function keepTurn(
  db: Database,
  { session_id, owner }: Turn,
  lost: (error: unknown) => void,
): () => void {
  const renewing = setInterval(async () => {
    try {
      const [kept] = await db.query(renew, [session_id, owner, limits.output_turn_ms]);
      if (!kept) lost(new Error(`the outputs of ${session_id} were not taken in time`));
    } catch (error) {
      lost(error);
    }
  }, limits.output_turn_ms / 3);
  return () => clearInterval(renewing);
}

const end: Statement = {
  name: "output_turn_end",
  text: "delete from output_turn where session_id = $1 and owner = $2",
};

/** One that cannot be ended runs out. */
export async function endTurn(db: Database, { session_id, owner }: Turn): Promise<void> {
  await db.query(end, [session_id, owner]).catch(() => {});
}

const sweep: Statement = {
  name: "output_turn_sweep",
  text: "delete from output_turn where until <= drover_now() - interval '1 hour'",
};

/** Removes those of processes that have died, where nobody has come since. */
export async function sweepTurns(db: Database): Promise<void> {
  await db.query(sweep, []);
}
