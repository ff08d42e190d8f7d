import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import type { Seal } from "../../vault/seal.ts";
import { placeOf, type Rewrite, type SealedColumn, type SealedRow, sealedColumns } from "./columns.ts";

/**
 * Wraps all that is sealed by the newest master key, while servers work.
 * I1. A text is replaced only where it is still what was read, and nobody is writing there: what a server has written meanwhile
 *     stays, and is taken again. Nobody is waited for.
 * I2. Each is opened before: what would be lost with the older key is found while that is there.
 * I3. What was done is seen in the rows alone, so whoever is cut short begins again.
 */
export interface RotateOptions {
  db: Database;
  seal: Seal;
  /** Looks at all and writes nothing. */
  dry_run: boolean;
  /** So many of all that there are have been looked at. */
  passed(column: SealedColumn, done: number, all: number): void;
  /** One cannot be opened. It stays as it is. `why` holds nothing of it. */
  failed(column: SealedColumn, row: SealedRow, why: string): void;
}

/** How many were rewrapped, or would be; by the noun of their column. */
export type Rotated = Map<string, number>;

export async function rotate(options: RotateOptions): Promise<Rotated> {
  const rotated: Rotated = new Map();
  for (const column of sealedColumns) {
    const unusable = new Set<string>();
    for (let n = 0; n < limits.rotate_passes_max; n += 1) {
      const { done, changed } = await rotateColumn(column, unusable, options);
      rotated.set(column.noun, (rotated.get(column.noun) ?? 0) + done);
      if (changed === 0) break;
    }
  }
  return rotated;
}

/** Once through all rows. `changed`: those that others have written in between, or are writing. */
async function rotateColumn(
  column: SealedColumn,
  unusable: Set<string>,
  { db, seal, dry_run, passed, failed }: RotateOptions,
): Promise<{ done: number; changed: number }> {
  const all = (await countColumn(db, column)).reduce((sum, { count }) => sum + count, 0);
  let [done, changed, seen] = [0, 0, 0];
  let after: string[] = [];
  for (;;) {
    const values = [after, limits.rotate_batch_max, seal.versions[0]];
    const rows = await db.query<SealedRow>(column.page, values);
    const rewrites = (await Promise.all(rows.map(rewrapped))).flat().map((each, n) => ({ ...each, n }));
    if (dry_run) done += rewrites.length;
    else if (rewrites.length > 0) {
      const written = await db.query<{ n: number }>(column.rewrite, [JSON.stringify(rewrites)]);
      done += written.length;
      changed += rewrites.length - written.length;
    }
    seen += rows.length;
    passed(column, seen, Math.max(all, seen));
    if (rows.length < limits.rotate_batch_max) return { done, changed };
    after = rows.at(-1)?.key ?? after;
  }

  async function rewrapped(row: SealedRow): Promise<Omit<Rewrite, "n">[]> {
    const { key, sealed } = row;
    const name = JSON.stringify(key);
    if (sealed === null || unusable.has(name)) return [];
    try {
      const place = placeOf(column, row);
      await seal.open(sealed, place);
      return [{ key, before: sealed, after: await seal.rewrap(sealed, place) }];
    } catch (error) {
      unusable.add(name);
      failed(column, row, error instanceof Error ? error.message : String(error));
      return [];
    }
  }
}

export interface SealedCount {
  noun: string;
  /** Empty where the text is none that was sealed. */
  version: string;
  count: number;
}

const countColumn = (db: Database, { count }: SealedColumn) => db.query<Omit<SealedCount, "noun">>(count, []);

/** What is sealed, under which versions of the master key. */
export async function countSealed(db: Database): Promise<SealedCount[]> {
  const counts: SealedCount[] = [];
  for (const column of sealedColumns)
    for (const each of await countColumn(db, column)) counts.push({ noun: column.noun, ...each });
  return counts;
}

const living: Statement = {
  name: "sealing_processes",
  text: `select master_keys from process where beat_at > drover_now() - $1 * interval '1 millisecond'`,
};

/** The versions of the master keys that each server has which works on this database: the one that it seals under first. */
export async function keysOfServers(db: Database): Promise<string[][]> {
  const rows = await db.query<{ master_keys: string[] }>(living, [limits.process_dead_ms]);
  return rows.map(({ master_keys }) => master_keys);
}

/** What is sealed under others than the first of these: how much under the rest of them, and in words what under none. */
export async function otherKeys(
  db: Database,
  [newest, ...rest]: readonly string[],
): Promise<{ older: number; unknown: string | null }> {
  const others = (await countSealed(db)).filter(({ version }) => version !== newest);
  const sum = (some: SealedCount[]) => some.reduce((all, { count }) => all + count, 0);
  const unknown = others.filter(({ version }) => !rest.includes(version));
  const versions = [...new Set(unknown.map(({ version }) => version || "none"))].join(", ");
  const lost = sum(unknown);
  const which = lost === 1 ? "1 secret is" : `${lost} secrets are`;
  return {
    older: sum(others) - lost,
    unknown: lost === 0 ? null : `${which} sealed under a master key that is not there (${versions})`,
  };
}
