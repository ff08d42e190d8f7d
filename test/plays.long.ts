import { after, test } from "node:test";
import { assertPlans } from "../src/brain/plays/assert-plans.ts";
import { testDatabase } from "../src/db/testing.ts";

const db = await testDatabase();
after(() => db.close());

test("whatever happens to a session, its log stays a valid conversation", (t) => assertPlans(t, db, 2_500));
