import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenAt, lineOf, rangeOf } from "./json-place.ts";

const body = {
  name: 'a "b" }',
  tools: [{ type: "x", configs: [{ name: "bash" }, { name: "read", enabled: false }] }, { type: "y" }],
  "a.b": 1,
  metadata: {},
  deep: { tools: [1, -2.5e3, null, true] },
};

test("a path is where its value is, however the text is written", () => {
  for (const text of [JSON.stringify(body), JSON.stringify(body, null, 2), JSON.stringify(body, null, "\t")])
    for (const [path, value] of Object.entries({
      name: body.name,
      tools: body.tools,
      "tools.0.configs.1.enabled": false,
      "tools.1": { type: "y" },
      metadata: {},
      "deep.tools.1": -2500,
      "deep.tools.3": true,
      // What is not there is where it would be.
      "tools.1.configs": { type: "y" },
      "metadata.x": {},
    })) {
      const range = rangeOf(text, path);
      assert.deepEqual(JSON.parse(text.slice(range?.start, range?.end)), value, path);
    }
  assert.equal(rangeOf(JSON.stringify(body), "nothing"), null);
  assert.equal(rangeOf('{"a":', "a"), null);
  assert.equal(rangeOf("", "a"), null);
});

test("what is no JSON is so from some place on, and all else is JSON", () => {
  const cases: [text: string, place: string][] = [
    ['{\n  "a": 1,\n  "b": oops\n}', "oops\n}"],
    ['{"a":1', ""],
    ["", ""],
    ['{"a" 1}', "1}"],
    ['["x",]', "]"],
    ['["x" "y"]', '"y"]'],
    ['{"a": 1} 2', "2"],
    ['{"a": "two\nlines"}', '"two\nlines"}'],
    ["{a: 1}", "a: 1}"],
    ["[01]", "01]"],
    ["[1.]", "1.]"],
    ["{'a': 1}", "'a': 1}"],
  ];
  for (const [text, rest] of cases) {
    const broken = brokenAt(text);
    assert.throws(() => JSON.parse(text), text);
    assert.equal(text.slice(broken?.at ?? -1), rest, text);
  }
  for (const text of [JSON.stringify(body), " [ ] ", "1e9", '"\\u00e9\\n"', "[[],{}]"])
    assert.equal(brokenAt(text), null, text);
  assert.deepEqual(lineOf(cases[0]?.[0] ?? "", brokenAt(cases[0]?.[0] ?? "")?.at ?? 0), {
    line: 3,
    column: 8,
  });
});
