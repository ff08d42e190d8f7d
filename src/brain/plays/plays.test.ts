import { after, before, test } from "node:test";
import { type TestDatabase, testDatabase } from "../../db/testing.ts";
import { assertPlans } from "./assert-plans.ts";

let db: TestDatabase;
before(async () => {
  db = await testDatabase();
});
after(() => db.close());

test("whatever happens to a session, its log stays a valid conversation", (t) => assertPlans(t, db, 200));
