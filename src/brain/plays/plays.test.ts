import { after, test } from "node:test";
import { testDatabase } from "../../db/testing.ts";
import { assertPlans } from "./assert-plans.ts";

const db = await testDatabase();
after(() => db.close());

test("whatever happens to a session, its log stays a valid conversation", (t) => assertPlans(t, db, 40));
