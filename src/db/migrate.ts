import { readdirSync, readFileSync } from "node:fs";
import type { DatabasePool } from "./database.ts";
import { DatabaseUnavailable, databaseError } from "./errors.ts";

export interface Migration {
  version: number;
  name: string;
  sql: string;
}

const oldestMajor = 15;

export class DatabaseTooOld extends Error {
  override readonly name = "DatabaseTooOld";
  constructor(major: number) {
    super(`the database is PostgreSQL ${major}; Drover needs ${oldestMajor} or newer`);
  }
}

/** All migrations, read at once: a process that gives up its rights later can no longer open them. */
export function readMigrations(folder: URL = new URL("./sql/", import.meta.url)): Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{6}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => ({
      version: Number(file.slice(0, 6)),
      name: file.slice(7, -4),
      sql: readFileSync(new URL(file, folder), "utf8"),
    }));
}

/**
 * Brings the schema up to date: up only, one transaction each. Starters that come at once wait for each other at the
 * advisory lock. A database that is ahead of this version is left as it is: a release only adds what the one before
 * can ignore.
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
      version int primary key, name text not null, applied_at timestamptz not null default now())`);
    const { rows } = await client.query<{ version: number }>("select version from migration");
    const done = new Set(rows.map((row) => row.version));
    for (const migration of migrations) {
      if (done.has(migration.version)) continue;
      doing = `migration ${migration.version} (${migration.name})`;
      await client.query("begin");
      await client.query("insert into migration (version, name) values ($1, $2)", [
        migration.version,
        migration.name,
      ]);
      await client.query(migration.sql);
      await client.query("commit");
      applied.push(migration.name);
    }
  } catch (error) {
    if (error instanceof DatabaseTooOld) throw error;
    const meaning = databaseError(error, doing);
    if (meaning instanceof DatabaseUnavailable) throw meaning;
    // No request caused it, whatever its SQLSTATE.
    throw new Error(`${doing} failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    await client.end();
  }
  return { applied };
}
