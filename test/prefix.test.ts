import { allWired } from "../src/models/wired.spec.ts";
import { testPrefixes } from "./harness/prefix-plays.ts";

/** In the midst of a request, of a command, and between turns. */
const deaths = [1, 5, 7];

// Two that are spoken to in different ways; all of them, with a death at every moment, are among the long tests.
testPrefixes(
  allWired.filter(({ name }) => name === "anthropic" || name === "openai"),
  (moment) => deaths.includes(moment),
);
