import type { Database, Statement } from "../db/database.ts";
import type { Output, OutputsList } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { Turn } from "./turn.ts";

/** An output as it was taken last. */
export interface Known {
  version: string;
  bytes: number;
  content_sha256: string;
  written_at_ms: number;
  /** Whether there is a file of it for clients. */
  has_file: boolean;
}

const known: Statement = {
  name: "output_known",
  text: `
select o.path, o.version, o.bytes, o.content_sha256, o.written_at_ms, exists (
    select from file f where f.scope_session_id = o.session_id and f.path = o.path
      and f.superseded_at is null and f.deleted_at is null) as has_file
from output o where o.session_id = $1`,
};

export async function knownOutputs(db: Database, { session_id }: Turn): Promise<Map<string, Known>> {
  const rows = await db.query<Known & { path: string }>(known, [session_id]);
  return new Map(rows.map(({ path, ...row }) => [path, row]));
}

/**
 * Whether the same content needs no file again: it has one, or had one and was not written since. A workspace that was brought
 * back has its times to the millisecond.
 */
export const isSame = (before: Known, { written_at_ms }: Output, content_sha256: string): boolean =>
  before.content_sha256 === content_sha256 &&
  (before.has_file || Math.abs(before.written_at_ms - written_at_ms) <= 1);

// The turn first: whoever takes it over waits until this is committed. Then the session: its files come before its end, or not
// at all. Of the files those count too that were written anew and are not removed yet.
const note: Statement = {
  name: "output_note",
  text: `
with turn as materialized (
  select session_id from output_turn
  where session_id = $1 and owner = $2 and until > drover_now() for no key update
), alive as materialized (
  select s.id from turn join session s on s.id = turn.session_id for key share of s
), room as materialized (
  select alive.id from alive
  where not $8 or (
    select count(*) < $9 and coalesce(sum(f.size_bytes), 0) + $5 <= $10
    from file f where f.scope_session_id = $1 and f.path is not null and f.sha256 is not null and f.deleted_at is null)
), noted as (
  insert into output (session_id, path, version, bytes, content_sha256, written_at_ms)
  select id, $3, $4, $5, $6, $7 from room
  on conflict (session_id, path) do update set version = excluded.version, bytes = excluded.bytes,
    content_sha256 = excluded.content_sha256, written_at_ms = excluded.written_at_ms
)
select exists (select from alive) as alive, exists (select from room) as room`,
};

/** `full`: the session's files are too many, or too large together. `lost`: the turn is, or the session has ended. */
export async function noteOutput(
  db: Database,
  turn: Turn,
  output: Output,
  { content_sha256, new_file }: { content_sha256: string; new_file: boolean },
): Promise<"noted" | "full" | "lost"> {
  const [row] = await db.query<{ alive: boolean; room: boolean }>(note, [
    turn.session_id,
    turn.owner,
    output.path,
    output.version,
    output.bytes,
    content_sha256,
    output.written_at_ms,
    new_file,
    limits.output_files_kept_max,
    limits.output_bytes_kept_max,
  ]);
  if (!row?.alive) return "lost";
  return row.room ? "noted" : "full";
}

const leaveOut: Statement = {
  name: "output_leave_out",
  text: `
with turn as materialized (
  select session_id from output_turn
  where session_id = $1 and owner = $2 and until > drover_now() for no key update
), alive as materialized (
  select s.id, (select count(*) from output_left_out where session_id = $1) as told
  from turn join session s on s.id = turn.session_id for key share of s
)
insert into output_left_out as o (session_id, path, why)
select alive.id, l.path, l.why from alive, json_to_recordset($3::json) as l (path text, why text)
where alive.told < $4
on conflict (session_id, path) do update set why = excluded.why where o.why <> excluded.why
returning path, why`,
};

/** Those of which the session's log does not tell yet, and is to. There is an end to that too. */
export async function newlyLeftOut(
  db: Database,
  turn: Turn,
  left_out: OutputsList["left_out"],
): Promise<OutputsList["left_out"]> {
  const byPath = new Map(left_out.map((each) => [each.path, each]));
  const values = [turn.session_id, turn.owner, JSON.stringify([...byPath.values()]), limits.outputs_told_max];
  return db.query<OutputsList["left_out"][number]>(leaveOut, values);
}
