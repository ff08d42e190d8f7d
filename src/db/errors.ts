import pg from "pg";
import { ApiError, invalid } from "../protocol/errors.ts";

/** The server cannot be reached, or says to try again. */
export class DatabaseUnavailable extends Error {
  override readonly name = "DatabaseUnavailable";
  /** The statement was sent and its answer was lost: what it writes may have been written. */
  readonly mayHaveRun: boolean;
  /** It was not answered by a primary: another server may be that by now. */
  readonly serverIsGone: boolean;

  constructor(message: string, options: { mayHaveRun: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.mayHaveRun = options.mayHaveRun;
    const { code = "" } = options.cause instanceof pg.DatabaseError ? options.cause : {};
    this.serverIsGone = code === "" || gone.some((prefix) => code.startsWith(prefix));
  }
}

/** SQLSTATE classes and codes after which the same statement may well succeed. */
const passing = [
  "08", // connection exceptions
  "53", // out of connections, memory or disk
  "57P", // shutting down, crashed, starting up
  "57014", // took longer than a statement may
  "55P03", // took longer to get a lock than the server's settings allow
  "58030", // the server's disk does not answer as it should
  "40001", // serialization failure
  "40P01", // deadlock
  "25006", // read-only: a standby, or a primary that has just been demoted
];

/** Those of them that come from a server that is no primary, or not any more. */
const gone = ["08", "57P", "25006"];

/** Those of them that say nothing about whether a commit came first: a broken connection, and another process's crash. */
const unclear = ["08", "57P02"];

const noConnection = ["ECONNREFUSED", "ENOENT", "ENOTFOUND", "EAI_AGAIN"];
const noConnectionInTime = [
  "timeout exceeded when trying to connect",
  "timeout expired",
  "Connection terminated due to connection timeout",
];

/** Whether an error without SQLSTATE came up before anything could be sent. */
const neverConnected = (error: unknown) =>
  error instanceof Error &&
  (("code" in error && noConnection.includes(String(error.code))) ||
    ("syscall" in error && error.syscall === "connect") ||
    noConnectionInTime.includes(error.message));

/** SQLSTATEs that a client can cause. */
const clientsOwn: Record<string, string> = {
  "22021": "text may not contain NUL characters",
  "22P05": "text may not contain NUL characters",
  "23503": "something else refers to this, or has just gone: look again and retry",
};

/** The one place that says what a failed statement means. */
export function databaseError(error: unknown, statement: string): Error {
  if (error instanceof ApiError) return error;
  if (!(error instanceof pg.DatabaseError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new DatabaseUnavailable(`the database cannot be reached (${statement}): ${message}`, {
      mayHaveRun: !neverConnected(error),
      cause: error,
    });
  }
  const code = error.code ?? "";
  const own =
    clientsOwn[code] ?? (code.startsWith("22") ? `cannot be stored or compared: ${error.message}` : null);
  if (own) return invalid(own, { cause: error });
  // Poolers end a connection with a protocol violation; one that leaves it open is in our own statement.
  const ownMistake = code === "08P01" && error.severity === "ERROR";
  if (!ownMistake && passing.some((prefix) => code.startsWith(prefix))) {
    return new DatabaseUnavailable(`the database asks to try again (${statement}): ${error.message}`, {
      mayHaveRun: unclear.some((prefix) => code.startsWith(prefix)),
      cause: error,
    });
  }
  return new Error(`statement ${statement} failed: ${error.message}`, { cause: error });
}
