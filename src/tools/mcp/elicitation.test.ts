import assert from "node:assert/strict";
import { test } from "node:test";
import { answerWithDefaults } from "./elicitation.ts";

const ask = (properties: object, required?: string[]) =>
  answerWithDefaults({ message: "?", requestedSchema: { type: "object", properties, required } });

test("a form goes back with its defaults, and without what may be left out", () => {
  const fields = {
    name: { type: "string", default: "" },
    age: { type: "integer", default: 0 },
    score: { type: "number", default: 9.5 },
    sure: { type: "boolean", default: false },
    of: { type: "array", items: { type: "string", enum: ["a", "b"] }, default: ["a"] },
    note: { type: "string" },
  };
  assert.deepEqual(ask(fields, ["name", "age", "sure", "of"]), {
    action: "accept",
    content: { name: "", age: 0, score: 9.5, sure: false, of: ["a"] },
  });
  assert.deepEqual(ask({ note: { type: "string" } }), { action: "accept", content: {} });
  assert.deepEqual(ask({}), { action: "accept", content: {} });
});

test("what needs an answer that nobody has proposed is declined", () => {
  const declined = { action: "decline" };
  assert.deepEqual(ask({ note: { type: "string" } }, ["note"]), declined);
  assert.deepEqual(ask({}, ["toString"]), declined);
  assert.deepEqual(ask({ age: { type: "integer", default: "7" } }, ["age"]), declined);
  assert.deepEqual(ask({ any: { default: "7" } }, ["any"]), declined);
  for (const params of [
    undefined,
    {},
    { requestedSchema: null },
    { mode: "url", url: "https://example.com", elicitationId: "1", message: "?" },
    { mode: "url", requestedSchema: { type: "object", properties: {} } },
    { requestedSchema: { type: "object", properties: { a: 1 }, required: ["a"] } },
    { requestedSchema: { type: "array", properties: {} } },
    JSON.parse(
      '{"requestedSchema":{"type":"object","properties":{"__proto__":{"type":"string","default":"x"}},"required":["__proto__"]}}',
    ),
  ])
    assert.deepEqual(answerWithDefaults(params), declined, JSON.stringify(params));
});
