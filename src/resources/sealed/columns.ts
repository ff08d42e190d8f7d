import type { Statement } from "../../db/database.ts";
import type { SealedPlace } from "../../vault/seal.ts";

/** A column that holds sealed texts. Wherever there is a new one, it is listed here: what is not is lost with an older master key. */
export interface SealedColumn {
  /** What each of its texts is, for people. */
  noun: string;
  table: string;
  column: string;
  /** Of its rows, without null. */
  page: Statement;
  /** Changes those that are still as they were read, and that nobody holds: others lock several rows in an order of their own. */
  rewrite: Statement;
  /** How many there are under each version of the master key. */
  count: Statement;
}

export interface SealedRow {
  /** What its row is known by. */
  key: string[];
  workspace_id: string;
  /** The id of its place. */
  id: string;
  /** Null where it is sealed under that version already. */
  sealed: string | null;
}

/** A text that was rewrapped. `n`: which of those that are sent. */
export interface Rewrite {
  n: number;
  key: string[];
  before: string;
  after: string;
}

/** `key`: the primary key. `id`: what the place is called by, which is not always that. */
function sealedColumn(
  noun: string,
  { table, column, key, id }: { table: string; column: string; key: readonly string[]; id: string },
): SealedColumn {
  const own = key.map((each) => `t.${each}`);
  const isRow = own.map((each, n) => `${each} = r.key ->> ${n}`).join(" and ");
  const name = `sealed_${table}_${column}`;
  return {
    noun,
    table,
    column,
    page: {
      name: `${name}_page`,
      text: `
select json_build_array(${own.join(", ")}) as key, workspace_id, ${id} as id,
  case when split_part(${column}, ':', 2) <> $3 then ${column} end as sealed
from ${table} t
where (${own.join(", ")}) > (${own.map((_, n) => `coalesce(($1::text[])[${n + 1}], '')`).join(", ")}) and ${column} is not null
order by ${own.join(", ")} limit $2`,
    },
    rewrite: {
      name: `${name}_rewrite`,
      text: `
with free as materialized (
  select r.n, r.key, r.after from json_to_recordset($1::json) as r (n int, key json, before text, after text)
  join ${table} t on ${isRow} and t.${column} = r.before
  for no key update of t skip locked
)
update ${table} t set ${column} = r.after from free r where ${isRow} returning r.n`,
    },
    count: {
      name: `${name}_count`,
      text: `select split_part(${column}, ':', 2) as version, count(*) as count from ${table}
        where ${column} is not null group by 1`,
    },
  };
}

export const sealedColumns: readonly SealedColumn[] = [
  sealedColumn("secrets of credentials", {
    table: "credential",
    column: "secret",
    key: ["id"],
    id: "id",
  }),
  sealedColumn("passes of sessions", {
    table: "session_pass",
    column: "secret",
    key: ["session_id"],
    id: "session_id",
  }),
  sealedColumn("tokens of repositories", {
    table: "session_resource",
    column: "token",
    key: ["id"],
    id: "url",
  }),
  sealedColumn("kept requests", {
    table: "kept_answer",
    column: "body_sealed",
    key: ["workspace_id", "credential", "route", "key"],
    id: "credential || ' ' || route || ' ' || key",
  }),
];

export const placeOf = ({ table, column }: SealedColumn, { workspace_id, id }: SealedRow): SealedPlace => ({
  table,
  column,
  workspace_id,
  id,
});
