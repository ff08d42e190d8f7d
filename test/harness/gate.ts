import type { TestDatabase } from "../../src/db/testing.ts";

export interface Gate {
  /** Resolves when a request stands at it. */
  reached(): Promise<void>;
  open(): Promise<void>;
}

/** Holds requests whose key begins with `held` after they have done all but keep their answer. */
export async function closeGate(db: TestDatabase): Promise<Gate> {
  const holder = await db.connect();
  await holder.query("select pg_advisory_lock(4711)");
  await holder.query(`
    create or replace function wait_at_gate() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(4711); return new; end $$;
    create or replace trigger gate before insert on kept_answer
      for each row when (new.key like 'held%') execute function wait_at_gate()`);
  return {
    async reached() {
      const asked = `select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted
        and database = (select oid from pg_database where datname = current_database())`;
      while ((await holder.query(asked)).rows.length === 0);
    },
    open: () => holder.end(),
  };
}
