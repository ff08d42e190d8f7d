import type { Database, Statement } from "../db/database.ts";
import type { System } from "../protocol/system.ts";
import { workQueue } from "./work/queue.ts";

const latency: Statement = { name: "system_latency", text: "select 1" };

// How many contents there are is what the database itself has counted last: it would take long to count them.
const look: Statement = {
  name: "system_look",
  text: `
select current_setting('server_version') as version, pg_database_size(current_database())::float8 as size_bytes,
  (select coalesce(sum(bytes), 0)::float8 from file_storage) as file_bytes,
  (select greatest(reltuples, 0)::float8 from pg_class where oid = 'blob'::regclass) as contents,
  (select count(*) from stray_blob) as strays,
  (select count(*) from session_head where runnable_at <= drover_now() and lease_owner is null) as waiting,
  (select coalesce(extract(epoch from drover_now() - min(runnable_at)), 0)::float8 from session_head
    where runnable_at <= drover_now() and lease_owner is null) as oldest_seconds`,
};

const applied: Statement = {
  name: "system_migrations",
  text: "select version, name, applied_at from migration order by version",
};

const brains: Statement = {
  name: "system_brains",
  text: `select p.id, p.version, p.roles, p.started_at, p.beat_at, coalesce(h.sessions, 0) as sessions, p.id = $1 as answers
    from process p left join (
      select lease_owner, count(*) as sessions from session_head where lease_owner is not null group by lease_owner) h
      on h.lease_owner = p.id
    order by p.started_at, p.id`,
};

interface Look {
  version: string;
  size_bytes: number;
  file_bytes: number;
  contents: number;
  strays: number;
  waiting: number;
  oldest_seconds: number;
}

type InDatabase = Pick<System, "database" | "migrations" | "brains" | "queue" | "work"> & {
  storage: Pick<System["storage"], "file_bytes" | "contents" | "strays">;
};

/** What the database knows. `own`: the number of this process among the others. `known`: the migrations of this version. */
export async function lookAtDatabase(db: Database, own: number | null, known: number[]): Promise<InDatabase> {
  await db.query(latency, []);
  const began = performance.now();
  await db.query(latency, []);
  const latency_ms = Math.round((performance.now() - began) * 1000) / 1000;
  const [found] = await db.query<Look>(look, []);
  if (!found) throw new Error("a look at the database has no row");
  const migrations = await db.query<System["migrations"]["applied"][number]>(applied, []);
  const work = await workQueue(db);
  return {
    database: { version: found.version, size_bytes: found.size_bytes, latency_ms },
    migrations: {
      applied: migrations,
      unknown: migrations.map(({ version }) => version).filter((version) => !known.includes(version)),
    },
    storage: { file_bytes: found.file_bytes, contents: found.contents, strays: found.strays },
    brains: await db.query<System["brains"][number]>(brains, [own]),
    queue: { waiting: found.waiting, oldest_seconds: found.oldest_seconds },
    work: { waiting: work.waiting, held: work.held, oldest_seconds: work.oldest_s },
  };
}
