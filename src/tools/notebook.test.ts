import assert from "node:assert/strict";
import { test } from "node:test";
import { png } from "../protocol/testing-images.ts";
import { notebookContent } from "./notebook.ts";

const cellWith = (outputs: unknown[]) =>
  JSON.stringify({ cells: [{ cell_type: "code", source: "run()", outputs }] });

test("a notebook shows so many pictures, and says which it does not", () => {
  const picture = { output_type: "display_data", data: { "image/png": png(2, 2) } };
  const [text, ...images] = notebookContent(cellWith(Array(21).fill(picture))) ?? [];
  assert.ok(text?.type === "text");
  assert.equal(images.length, 20);
  assert.match(text.text, /\(a picture: number 20 below\)\n.*\n\(a picture: not shown, after 20 others\)$/);
});

test("a notebook shows so much of an output, and says that there was more", () => {
  const [text] = notebookContent(cellWith([{ output_type: "stream", text: ["😀".repeat(6_000)] }])) ?? [];
  assert.ok(text?.type === "text");
  assert.match(text.text, /\n(😀){5000}\n\[\.\.\. the output is cut here\]$/u);
});

test("what is no notebook is none", () => {
  for (const json of ["", "{", "[]", '{"cells":{}}', '{"cells":[5]}', '{"cells":[{"cell_type":"code"}]}']) {
    assert.equal(notebookContent(json), null, json);
  }
});
