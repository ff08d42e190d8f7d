import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { toolBench } from "./testing.ts";

const { skip, use, sh, says } = await toolBench();

const runs = 12;

const name = fc.string({
  unit: fc.constantFrom("a", "b", ".", " ", "-", "ü", "*", "\n"),
  minLength: 1,
  maxLength: 6,
});
const piece = fc.constantFrom(
  ...[
    "a",
    "b",
    "A",
    "ab",
    "7",
    "_",
    " ",
    "\t",
    "\r",
    "\v",
    "\x85",
    "\xa0",
    "é",
    "ü",
    "ß",
    "١",
    "\u2028",
    "😀",
    "\u0301",
  ],
  ...["\n", "\n", "\n", "\r\n"],
);
const content = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
const files = fc.dictionary(
  name.filter((text) => !/^\.{1,2}$/.test(text)),
  content,
  { minKeys: 1, maxKeys: 6 },
);
const pattern = fc
  .array(
    fc.constantFrom(
      ...[
        "a",
        "b",
        "ü",
        ".",
        "\\w",
        "\\W",
        "\\d",
        "\\s",
        "\\S",
        "\\h",
        "\\b",
        "\\B",
        "^",
        "$",
        "\\r",
        "\\x{e9}",
      ],
      ...[
        "(?i)A",
        "(?=b)",
        "(?<!a)",
        "[^a]",
        "[[:alpha:]]",
        "\\p{L}",
        "\\p{Nd}",
        "a*",
        "(?:a|7)+",
        "b?",
        "(.)\\1",
      ],
      ...["\\A", "\\z", "\\Z", "\\x{2028}", "\\N", "\\X", "."],
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join(""));

describe("grep", { skip }, () => {
  test("finds the same by ripgrep and by grep, whatever the text", async (t) => {
    if ((await use("bash", { command: "rg --pcre2-version" })).is_error) {
      return t.skip("there is no ripgrep with Perl's expressions on this machine");
    }
    const seed = Number(process.env.DROVER_TEST_SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`DROVER_TEST_SEED=${seed}`);
    await sh("mkdir -p ~/.local/bin; printf '#!/bin/sh\\nexit 1\\n' >~/.local/rg; chmod +x ~/.local/rg");
    await fc.assert(
      fc.asyncProperty(files, fc.array(pattern, { minLength: 5, maxLength: 5 }), async (tree, patterns) => {
        await plant(tree);
        await sh("rm -f ~/.local/bin/rg");
        const byRipgrep = await answers(patterns);
        await sh("cp ~/.local/rg ~/.local/bin/rg");
        assert.deepEqual(await answers(patterns), byRipgrep);
      }),
      { numRuns: runs, seed },
    );
  });
});

async function plant(tree: Record<string, string>): Promise<void> {
  const planting = Object.entries(tree).map(([name, text]) => {
    const path = Buffer.from(`r/${name}`).toString("base64");
    return `printf %s ${Buffer.from(text).toString("base64")} | base64 -d >"$(printf %s ${path} | base64 -d; echo .)"`;
  });
  await sh(`rm -rf r; mkdir r; ${planting.join("; ")}`);
  assert.notEqual(await says("bash", { command: "ls -A r" }), "[No output.]");
}

async function answers(patterns: string[]): Promise<Record<string, unknown>> {
  const found: [string, unknown][] = [];
  for (const pattern of patterns) found.push([pattern, await use("grep", { pattern, path: "r" })]);
  return Object.fromEntries(found);
}
