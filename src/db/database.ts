import pg from "pg";
import { limits } from "../limits.ts";
import { databaseError } from "./errors.ts";
import { inTransaction } from "./transaction.ts";

export interface Statement {
  /** Prepared once per connection under this name; one name, one text. */
  name: string;
  text: string;
}

/** Where statements run: any connection of a pool, or one transaction. */
export interface Database {
  /**
   * Runs one statement. `bigint` comes back as number, `timestamptz` as RFC 3339 UTC with microseconds, `json`
   * parsed. Throws `DatabaseUnavailable` when the server cannot be reached or asks to try again.
   */
  query<Row>(statement: Statement, values: unknown[]): Promise<Row[]>;
}

export interface DatabasePool extends Database {
  /**
   * What `run` does with its database is committed together, or not at all when it throws. Each statement sees what
   * others have committed before it. A transaction that stands still is ended by the database.
   */
  transaction<Result>(run: (db: Database) => Promise<Result>): Promise<Result>;
  /** A connection of its own outside the pool, for LISTEN. */
  connect(): Promise<pg.Client>;
  /** How many statements have run, LISTEN connections left out. */
  statementCount(): number;
  close(): Promise<void>;
}

/** `2026-11-21 04:05:06.7+00`, as PostgreSQL prints it in UTC, to `2026-11-21T04:05:06.700000Z`. */
function timestamp(text: string): string {
  const [date, time = ""] = text.slice(0, text.lastIndexOf("+")).split(" ");
  const [seconds, fraction = ""] = time.split(".");
  return `${date}T${seconds}.${fraction.padEnd(6, "0")}Z`;
}

const parsers = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, Number],
  [pg.types.builtins.TIMESTAMPTZ, timestamp],
]);

export interface DatabaseOptions {
  url: string;
  connections?: number;
}

export function openDatabase(options: DatabaseOptions): DatabasePool {
  const config: pg.ClientConfig = {
    connectionString: options.url,
    application_name: "drover",
    connectionTimeoutMillis: limits.database_connect_ms,
    // Every query here goes through an index. A statement prepared while its tables were empty would otherwise keep
    // a plan made for empty tables.
    options:
      "-c timezone=UTC -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off",
    types: {
      getTypeParser: (oid: number, format?: "text" | "binary") =>
        parsers.get(oid) ?? pg.types.getTypeParser(oid, format as "text"),
    },
  };
  const pool = new pg.Pool({ ...config, max: options.connections ?? limits.database_connections_max });
  // Apart from the others: whoever waits inside a transaction for a connection of the pool gets one in the end.
  const transactions = new pg.Pool({
    ...config,
    max: limits.database_transactions_max,
    options: `${config.options} -c statement_timeout=${limits.transaction_statement_ms} -c idle_in_transaction_session_timeout=${limits.transaction_idle_ms}`,
  });
  // An idle connection that breaks has no query to fail; the next query opens a new one.
  for (const each of [pool, transactions]) each.on("error", () => {});
  // Nor has one that breaks between two statements of a transaction.
  transactions.on("connect", (client) => client.on("error", () => {}));
  let statements = 0;

  const queryOn =
    (connection: pg.Pool | pg.PoolClient) =>
    async <Row>(statement: Statement, values: unknown[]): Promise<Row[]> => {
      statements += 1;
      try {
        const { rows } = await connection.query({ name: statement.name, text: statement.text, values });
        return rows as Row[];
      } catch (error) {
        throw databaseError(error, statement.name);
      }
    };

  return {
    query: queryOn(pool),
    async transaction(run) {
      const client = await transactions.connect().catch((error: unknown) => {
        throw databaseError(error, "connect");
      });
      return inTransaction(queryOn(client), run, (end) => client.release(end === "broken"));
    },
    async connect() {
      const client = new pg.Client(config);
      // Without it the process ends when the connection breaks; whoever uses it hears of it by the next query.
      client.on("error", () => {});
      try {
        await client.connect();
      } catch (error) {
        throw databaseError(error, "connect");
      }
      return client;
    },
    statementCount: () => statements,
    async close() {
      await Promise.all([pool.end(), transactions.end()]);
    },
  };
}
