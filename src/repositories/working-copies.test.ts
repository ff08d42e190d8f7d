import assert from "node:assert/strict";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { limits } from "../limits.ts";
import { openWorkingCopies, type WorkingCopy } from "./working-copies.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-copies-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let root = "";
let n = 0;
beforeEach(() => {
  n += 1;
  root = join(folder, String(n));
});

const write = ({ repository }: WorkingCopy, text: string) => {
  writeFileSync(join(repository, "refs"), text);
  writeFileSync(join(repository, `${text}.pack`), text);
};
const publish = (text: string, url = "u") =>
  openWorkingCopies(root).use(url, async (copy) => {
    write(copy, text);
    await copy.publish();
  });
const found = (url = "u") =>
  openWorkingCopies(root).use(url, async ({ repository, isNew }) =>
    isNew ? null : readFileSync(join(repository, "refs"), "utf8"),
  );

test("what was published is there for the next one, of that URL alone", async () => {
  assert.equal(await found(), null);
  await publish("one");
  assert.equal(await found(), "one");
  assert.equal(await found("other"), null);
  await publish("two");
  assert.equal(await found(), "two");
  assert.equal(globSync(join(root, "kept/*/*")).length, 1);
});

test("what was not published is nobody's, however it ended", async () => {
  await publish("whole");
  const failing = openWorkingCopies(root).use("u", async (copy) => {
    write(copy, "half");
    throw new Error("cut off");
  });
  await assert.rejects(failing, /cut off/);
  assert.equal(await found(), "whole");
  assert.deepEqual(globSync(join(root, "in-work/*")), []);
});

test("whoever works on a copy is not disturbed by what others publish", async () => {
  await publish("one");
  await openWorkingCopies(root).use("u", async (copy) => {
    await publish("two");
    assert.equal(readFileSync(join(copy.repository, "refs"), "utf8"), "one");
    assert.ok(existsSync(join(copy.repository, "one.pack")));
    write(copy, "late");
    await copy.publish();
  });
  assert.equal(await found(), "two", "the first to publish a next one has done so for all");
});

test("what the dead have left goes when it is old", async () => {
  const [old, young] = ["old", "young"].map((name) => join(root, "in-work", name));
  for (const path of [old, young]) mkdirSync(path ?? "", { recursive: true });
  const then = (Date.now() - limits.repository_work_ms_max - 1_000) / 1_000;
  utimesSync(old ?? "", then, then);
  await publish("one");
  assert.deepEqual([existsSync(old ?? ""), existsSync(young ?? "")], [false, true]);
});

test("those that were not used for longest make room", async () => {
  for (const url of ["a", "b", "c"]) await publish(url, url);
  for (const [i, kept] of globSync(join(root, "kept/*/*")).entries()) utimesSync(kept, i + 1, i + 1);
  const small = openWorkingCopies(root, { kept_bytes_max: 5 });
  await small.use("c", async () => {});
  assert.equal(await found("c"), "c");
  assert.equal(globSync(join(root, "kept/*/*")).length, 2);
});
