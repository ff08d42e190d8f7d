import { allWired } from "../src/models/wired.spec.ts";
import { testPrefixes } from "./harness/prefix-plays.ts";

testPrefixes(allWired, () => true);
