import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { statements } from "./reborn.ts";

test("the documentation has the statements that make a restored log a new one", () => {
  const oneLine = (text: string) => text.replaceAll(/\s+/g, " ");
  const docs = oneLine(readFileSync(new URL("../../docs/DURABILITY.md", import.meta.url), "utf8"));
  for (const statement of statements) assert.ok(docs.includes(`${oneLine(statement)};`), statement);
});
