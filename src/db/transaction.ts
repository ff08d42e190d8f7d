import type { Database, Statement } from "./database.ts";
import { DatabaseUnavailable } from "./errors.ts";

/**
 * Runs `run` between a begin and a commit on one connection, and rolls back when it throws. `released` hears whether the
 * connection can be used again.
 */
export async function inTransaction<Result>(
  query: Database["query"],
  run: (db: Database) => Promise<Result>,
  released: (end: "whole" | "broken") => void,
): Promise<Result> {
  const plain = (text: string) => query({ name: text, text }, []);
  let open = true;
  let failure: unknown = null;
  const within: Database = {
    async query<Row>(statement: Statement, values: unknown[]) {
      // The connection may be another transaction's by now.
      if (!open) throw new Error(`${statement.name} came after the end of its transaction`);
      try {
        return await query<Row>(statement, values);
      } catch (error) {
        failure ??= error;
        throw error;
      }
    },
  };
  try {
    await plain("begin");
    const result = await run(within);
    // After a failed statement the database takes a commit for a rollback, and says nothing.
    if (failure !== null) throw failure;
    open = false;
    await plain("commit");
    released("whole");
    return result;
  } catch (error) {
    open = false;
    // A connection that was opened while the server was read-only may stay so when the server does not.
    const doubtful = error instanceof DatabaseUnavailable;
    await plain("rollback").then(
      () => released(doubtful ? "broken" : "whole"),
      () => released("broken"),
    );
    throw error;
  }
}
