import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../protocol/errors.ts";
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
