import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenAt, lineOf, lostIn, rangeOf } from "./json-place.ts";

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

test("what would be lost by being read is said where it is, and nothing else", () => {
  const cases: [text: string, path: string, at: number][] = [
    ['{"a": 1, "a": 2}', "a", 14],
    ['{"x": [{"b": {}, "\\u0062": []}]}', "x.0.b", 27],
    ["[1e400]", "0", 1],
    ["[12345678901234567890]", "0", 1],
    ["[-9007199254740993]", "0", 1],
    ["[1e-400]", "0", 1],
  ];
  for (const [text, path, at] of cases)
    assert.deepEqual(
      lostIn(text).map((lost) => [lost.path, lost.at]),
      [[path, at]],
      text,
    );
  const kept = '{"a":{"b":1},"b":[0,-0,0.1,1e21,9007199254740992,-2.50,0e9,1e-7,"12345678901234567890"]}';
  assert.deepEqual(lostIn(kept), []);
});

test("what is nested deeper than anything can be shown is no text to go on with", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  assert.equal(brokenAt(deep)?.message, "is nested too deeply");
  assert.throws(() => lostIn(deep));
  assert.equal(brokenAt(`${"[".repeat(400)}${"]".repeat(400)}`), null);
});
