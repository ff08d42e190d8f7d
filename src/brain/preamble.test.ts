import assert from "node:assert/strict";
import { test } from "node:test";
import { modelRequest } from "./context.ts";
import { preamble } from "./preamble.ts";
import { newThread } from "./state.ts";
import { testAgent } from "./testing.ts";

test("the preamble names the tools that are there and those that are not", () => {
  const text = preamble(["bash", "read", "web_fetch"]) ?? "";
  assert.match(text, /^Your tools bash, read act in a Linux sandbox/);
  assert.match(text, /- Not available in this session: write, edit, glob, grep, web_search\.$/);
  assert.match(text, /HTTP proxy.*where one is refused, the answer says why/);
  assert.ok(text.length < 1_000);
  assert.doesNotMatch(preamble(["read"]) ?? "", /Commands get no input/);
});

test("it speaks of no sandbox where a worker runs the tools", () => {
  const text = preamble(["bash", "read", "web_fetch"], "worker") ?? "";
  assert.match(text, /^Your tools bash, read act on a machine of the user's own\./);
  assert.match(text, /- Not available in this session: write, edit, glob, grep, web_search\.$/);
  assert.doesNotMatch(text, /sandbox|proxy|outputs/);
  assert.equal(preamble([], "worker"), null);
  const worker = modelRequest(testAgent, newThread("sthr_1"), [], {
    self_hosted: true,
    skills: [],
    repositories: [],
  }).system;
  assert.equal(worker, `Do as you are told.\n\n${preamble(["bash", "read", "edit", "grep"], "worker")}`);
});

test("an agent that has nothing in a sandbox is not told of one", () => {
  assert.equal(preamble([]), null);
  assert.equal(preamble(["web_search"]), null);
});

test("it follows the agent's own prompt, and is the same in every request", () => {
  const { system } = modelRequest(testAgent, newThread("sthr_1"), []);
  assert.equal(system, `Do as you are told.\n\n${preamble(["bash", "read", "edit", "grep"])}`);
  const later = { ...newThread("sthr_1"), messages: [{ role: "user" as const, content: [] }], failures: 2 };
  assert.equal(modelRequest(testAgent, later, []).system, system);
});
