import { readdirSync, readFileSync } from "node:fs";
import type { DatabasePool } from "./database.ts";
import { DatabaseUnavailable, databaseError } from "./errors.ts";

export interface Migration {
  version: number;
  name: string;
  sql: string;
  /**
   * Servers that do not know this migration cannot work with what this one leaves. None where it only adds: a line
   * `-- needs: <version>` in its SQL.
   */
  needs?: number;
}

const oldestMajor = 15;

export class DatabaseTooOld extends Error {
  override readonly name = "DatabaseTooOld";
  constructor(major: number) {
    super(`the database is PostgreSQL ${major}; Drover needs ${oldestMajor} or newer`);
  }
}

/** A newer version has taken away what this one needs. */
export class DatabaseTooNew extends Error {
  override readonly name = "DatabaseTooNew";
  constructor({ version, name, needs }: Pick<Migration, "version" | "name" | "needs">) {
    super(
      `a newer version of Drover has changed the database (migration ${version}, ${name}) so that only versions with migration ${needs} can use it: run one of those, or restore a backup from before`,
    );
  }
}

/** All migrations, read at once: a process that gives up its rights later can no longer open them. */
export function readMigrations(folder: URL = new URL("./sql/", import.meta.url)): Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{6}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), "utf8");
      const needs = /^-- needs: (\d+)$/m.exec(sql)?.[1];
      return { version: Number(file.slice(0, 6)), name: file.slice(7, -4), sql, needs: Number(needs ?? 0) };
    });
}

/**
 * Brings the schema up to date: up only, one transaction each. Starters that come at once wait for each other at the
 * advisory lock. A database that is ahead of this version is left as it is, for a release only adds what the one before
 * can ignore; one of which something was taken away that this version needs is refused.
 */
export async function migrate(db: DatabasePool, migrations: Migration[]): Promise<{ applied: string[] }> {
  const client = await db.connect();
  const applied: string[] = [];
  let doing = "the list of migrations";
  try {
    const version = await client.query<{ major: number }>(
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    const major = version.rows[0]?.major ?? 0;
    if (major < oldestMajor) throw new DatabaseTooOld(major);
    await client.query("select pg_advisory_lock(hashtext('drover migrations'))");
    await client.query(`create table if not exists migration (
      version int primary key, name text not null, needs int not null default 0,
      applied_at timestamptz not null default now())`);
    const { rows } = await client.query<Required<Omit<Migration, "sql">>>(
      "select version, name, needs from migration order by needs desc",
    );
    const known = Math.max(0, ...migrations.map(({ version }) => version));
    const harmful = rows.find(({ needs }) => needs > known);
    if (harmful) throw new DatabaseTooNew(harmful);
    const done = new Set(rows.map((row) => row.version));
    for (const migration of migrations) {
      if (done.has(migration.version)) continue;
      doing = `migration ${migration.version} (${migration.name})`;
      await client.query("begin");
      await client.query("insert into migration (version, name, needs) values ($1, $2, $3)", [
        migration.version,
        migration.name,
        migration.needs ?? 0,
      ]);
      await client.query(migration.sql);
      await client.query("commit");
      applied.push(migration.name);
    }
  } catch (error) {
    if (error instanceof DatabaseTooOld || error instanceof DatabaseTooNew) throw error;
    const meaning = databaseError(error, doing);
    if (meaning instanceof DatabaseUnavailable) throw meaning;
    // No request caused it, whatever its SQLSTATE.
    throw new Error(`${doing} failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    await client.end();
  }
  return { applied };
}
