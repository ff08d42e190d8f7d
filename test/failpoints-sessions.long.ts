import { testSessionDeaths } from "./harness/session-deaths.ts";

testSessionDeaths();
