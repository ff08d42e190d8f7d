import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { ApiError } from "../protocol/errors.ts";
import { openDatabase } from "./database.ts";
import { DatabaseUnavailable } from "./errors.ts";
import { testDatabase } from "./testing.ts";

test("a value that a column cannot hold is the client's mistake, not the server's", async () => {
  const db = await testDatabase();
  try {
    const asked = db.query({ name: "too_large", text: "select $1::int" }, [2 ** 40]);
    await assert.rejects(asked, (error) => error instanceof ApiError && error.status === 400);
  } finally {
    await db.close();
  }
});

test("a statement that is wrong is no outage", async () => {
  const db = await testDatabase();
  try {
    const asked = db.query({ name: "too_many_values", text: "select 1" }, ["x"]);
    await assert.rejects(asked, (error) => !(error instanceof DatabaseUnavailable));
  } finally {
    await db.close();
  }
});

test("a connection of one's own that breaks ends nothing but itself", async () => {
  const db = await testDatabase();
  try {
    const client = await db.connect();
    const ended = new Promise<void>((resolve) => client.on("end", () => resolve()));
    const { rows } = await client.query("select pg_backend_pid() as pid");
    await db.query({ name: "cut", text: "select pg_terminate_backend($1)" }, [rows[0].pid]);
    await ended;
    await assert.rejects(client.query("select 1"));
  } finally {
    await db.close();
  }
});

test("a database that takes the connection and says nothing is given up", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const db = openDatabase({ url: `postgres://u@127.0.0.1:${port}/x` });
  assert.equal((await unavailable(db.connect())).mayHaveRun, false);
  await db.close();
  silent.close();
});

async function unavailable(running: Promise<unknown>): Promise<DatabaseUnavailable> {
  const error = await running.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DatabaseUnavailable);
  return error;
}

test("a database that cannot be reached has run nothing", async () => {
  for (const url of [
    "postgres://u@127.0.0.1:1/x",
    "postgres://u@localhost:1/x",
    "postgres://u@%2Fnowhere/x",
  ]) {
    const db = openDatabase({ url });
    const error = await unavailable(db.query({ name: "one", text: "select 1" }, []));
    assert.equal(error.mayHaveRun, false, error.message);
    await db.close();
  }
});

test("a statement that the server ends has not run; one whose answer is lost may have", async () => {
  const db = await testDatabase();
  try {
    const ended = db.query({ name: "end", text: "select pg_terminate_backend(pg_backend_pid())" }, []);
    assert.equal((await unavailable(ended)).mayHaveRun, false);
  } finally {
    await db.close();
  }
  const mute = createServer((socket) => {
    // A server that lets everybody in, takes the first statement, and goes.
    socket.once("data", () => {
      const authenticated = "520000000800000000";
      const readyForQuery = "5a0000000549";
      socket.write(Buffer.from(authenticated + readyForQuery, "hex"));
      socket.once("data", () => socket.destroy());
    });
  }).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const lost = openDatabase({ url: `postgres://u@127.0.0.1:${port}/x` });
  assert.equal((await unavailable(lost.query({ name: "one", text: "select 1" }, []))).mayHaveRun, true);
  await lost.close();
  mute.close();
});
