import pg from "pg";
import { limits } from "../limits.ts";
import { DatabaseUnavailable, databaseError } from "./errors.ts";
import { findPrimary, urlsOf } from "./hosts.ts";
import { rememberSlow, type SlowStatement } from "./slow-statements.ts";
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
  /** A connection of its own outside the pool, for LISTEN. `query_ms`: a query without an answer for so long has failed. */
  connect(options?: { query_ms?: number }): Promise<pg.Client>;
  /** How many statements have run, LISTEN connections left out. */
  statementCount(): number;
  /** Those of them that have taken long. */
  slowStatements(): SlowStatement[];
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
  /** Of one server, or of several of which one is the primary at a time: `postgresql://user@a,b/name`. */
  url: string;
  connections?: number;
  /** From when on a statement is slow. */
  slow_ms?: number;
}

export function openDatabase(options: DatabaseOptions): DatabasePool {
  const urls = urlsOf(options.url);
  let statements = 0;
  const slow_ms: number = options.slow_ms ?? limits.statement_slow_ms;
  const slow = rememberSlow({ slow_ms, max: limits.statements_slow_max });
  let pools: Pools | null = null;
  /** Whether the pools are those of the primary, as far as is known. */
  let sure = false;
  let finding: Promise<Pools> | null = null;
  let closed = false;

  const current = (): Pools | Promise<Pools> => (pools && sure ? pools : find());

  /** With one server nobody is asked: it is the one, or there is none. */
  function find(): Promise<Pools> {
    finding ??= choose().finally(() => {
      finding = null;
    });
    return finding;
  }

  async function choose(): Promise<Pools> {
    const url = urls.length === 1 ? options.url : await findPrimary(urls, probeConfig);
    if (closed) throw new Error("the database was closed");
    if (pools?.url !== url) {
      // What still runs on the old ones ends there.
      pools?.close().catch(() => {});
      pools = openPools(url, options);
    }
    sure = true;
    return pools;
  }

  function meaningOf(error: unknown, statement: string): Error {
    const meaning = databaseError(error, statement);
    if (urls.length > 1 && meaning instanceof DatabaseUnavailable && meaning.serverIsGone) sure = false;
    return meaning;
  }

  const queryOn =
    (connection: pg.Pool | pg.PoolClient) =>
    async <Row>(statement: Statement, values: unknown[]): Promise<Row[]> => {
      statements += 1;
      const began = performance.now();
      try {
        const { rows } = await connection.query({ name: statement.name, text: statement.text, values });
        return rows as Row[];
      } catch (error) {
        throw meaningOf(error, statement.name);
      } finally {
        slow.took(statement, performance.now() - began);
      }
    };

  return {
    async query(statement, values) {
      const { plain } = await current();
      return queryOn(plain)(statement, values);
    },
    async transaction(run) {
      const { transactions } = await current();
      const client = await transactions.connect().catch((error: unknown) => {
        throw meaningOf(error, "connect");
      });
      return inTransaction(queryOn(client), run, (end) => client.release(end === "broken"));
    },
    async connect({ query_ms } = {}) {
      // Who asks has none yet, or has lost it: perhaps with the primary, which may be a standby by now that answers well.
      const { url } = await find();
      const client = new pg.Client({ ...clientConfig, connectionString: url, query_timeout: query_ms });
      // Without it the process ends when the connection breaks; whoever uses it hears of it by the next query.
      client.on("error", () => {});
      try {
        await client.connect();
      } catch (error) {
        throw meaningOf(error, "connect");
      }
      return client;
    },
    statementCount: () => statements,
    slowStatements: slow.list,
    async close() {
      closed = true;
      await finding?.catch(() => {});
      await pools?.close();
    },
  };
}

const clientConfig: pg.ClientConfig = {
  application_name: "drover",
  connectionTimeoutMillis: limits.database_connect_ms,
  keepAlive: true,
  // Every query here goes through an index. A statement prepared while its tables were empty would otherwise keep
  // a plan made for empty tables.
  options: "-c timezone=UTC -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off",
  types: {
    getTypeParser: (oid: number, format?: "text" | "binary") =>
      parsers.get(oid) ?? pg.types.getTypeParser(oid, format as "text"),
  },
};

const probeConfig: pg.ClientConfig = { ...clientConfig, query_timeout: limits.database_connect_ms };

interface Pools {
  url: string;
  plain: pg.Pool;
  transactions: pg.Pool;
  close(): Promise<void>;
}

function openPools(url: string, { connections }: DatabaseOptions): Pools {
  const timed: pg.ClientConfig = {
    ...clientConfig,
    connectionString: url,
    options: `${clientConfig.options} -c statement_timeout=${limits.statement_ms}`,
    // The server's own limit does not reach us over a connection that has silently died.
    query_timeout: limits.statement_ms + limits.statement_answer_ms,
  };
  const plain = new pg.Pool({ ...timed, max: connections ?? limits.database_connections_max });
  // Apart from the others: whoever waits inside a transaction for a connection of the pool gets one in the end.
  const transactions = new pg.Pool({
    ...timed,
    max: limits.database_transactions_max,
    options: `${timed.options} -c idle_in_transaction_session_timeout=${limits.transaction_idle_ms}`,
  });
  // An idle connection that breaks has no query to fail; the next query opens a new one.
  for (const each of [plain, transactions]) each.on("error", () => {});
  // Nor has one that breaks between two statements of a transaction.
  transactions.on("connect", (client) => client.on("error", () => {}));
  return {
    url,
    plain,
    transactions,
    async close() {
      await Promise.all([plain.end(), transactions.end()]);
    },
  };
}
