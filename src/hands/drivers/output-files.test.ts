import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { collectOutput } from "../collect-output.ts";
import { outputFiles } from "./output-files.ts";

const base = mkdtempSync(join(tmpdir(), "drover-outputs-"));
after(() => rmSync(base, { recursive: true }));

describe("kept outputs", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(base, "f"));
  });
  const files = (file_bytes_max = 1_000, bytes_max = 10_000) =>
    outputFiles({ folder, inside: "/inside", gid: undefined, file_bytes_max, bytes_max });
  const textOf = (name: string) => readFileSync(join(folder, `${name}.txt`), "utf8");

  test("are whole from the first byte, wherever the output outgrew what is handed over", async () => {
    for (const chunks of [
      ["a".repeat(30)],
      ["abcde", "fghij", "k"],
      ["0123456789", "x"],
      [..."0123456789xyz"],
    ]) {
      const collected = collectOutput(10, () => files()("one"));
      for (const chunk of chunks) collected.write(Buffer.from(chunk));
      const all = chunks.join("");
      const { bytes, omitted_bytes, kept } = await collected.end();
      assert.deepEqual(kept, { path: "/inside/one.txt", bytes: all.length, complete: true });
      assert.equal(textOf("one"), all);
      assert.equal(bytes.toString(), all.slice(0, 5) + all.slice(-5));
      assert.equal(omitted_bytes, all.length - 10);
    }
  });

  test("are not begun for an output that is handed over whole, or that nobody wants kept", async () => {
    const short = collectOutput(10, () => assert.fail("begun"));
    short.write(Buffer.from("0123456789"));
    assert.equal((await short.end()).kept, null);
    const unwanted = collectOutput(10, null);
    unwanted.write(Buffer.from("0123456789x"));
    assert.equal((await unwanted.end()).kept, null);
  });

  test("say at their end what a file may not hold", async () => {
    const file = files(10)("one");
    for (const chunk of ["01234567", "89ab", "cd"]) file.write(Buffer.from(chunk));
    assert.deepEqual(await file.end(), { path: "/inside/one.txt", bytes: 10, complete: false });
    assert.equal(
      textOf("one"),
      "0123456789\n[The output was longer than 10 bytes: the rest was not kept.]\n",
    );
  });

  test("replace what has their name, and follow no link", async () => {
    const outside = join(base, "outside");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, join(folder, "one.txt"));
    const file = files()("one");
    file.write(Buffer.from("mine"));
    await file.end();
    assert.equal(readFileSync(outside, "utf8"), "untouched");
    assert.equal(textOf("one"), "mine");
    assert.equal(statSync(join(folder, "one.txt")).mode & 0o777, 0o440);
  });

  test("make room, the oldest first, and take nothing after their end", async () => {
    const keep = files(10, 30);
    for (const [i, name] of ["a", "b", "c", "d"].entries()) {
      const file = keep(name);
      file.write(Buffer.from("0123456789"));
      await file.end();
      file.write(Buffer.from("late"));
      utimesSync(join(folder, `${name}.txt`), i, i);
    }
    assert.deepEqual(readdirSync(folder).toSorted(), ["b.txt", "c.txt", "d.txt"]);
    assert.equal(textOf("d"), "0123456789");
  });

  test("that cannot be written are none, and the output comes all the same", async () => {
    rmSync(folder, { recursive: true });
    const collected = collectOutput(4, () => files()("one"));
    collected.write(Buffer.from("01234567"));
    const { bytes, kept } = await collected.end();
    assert.deepEqual([bytes.toString(), kept], ["0167", null]);
  });
});
