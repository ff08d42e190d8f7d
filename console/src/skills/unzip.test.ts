import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { ZipFile } from "yazl";
import { textOf, unzip } from "./unzip.ts";

async function zipped(files: Record<string, Buffer>, compress: boolean): Promise<ArrayBuffer> {
  const zip = new ZipFile();
  for (const [path, content] of Object.entries(files)) zip.addBuffer(content, path, { compress });
  zip.end();
  const whole = await buffer(zip.outputStream as NodeJS.ReadableStream);
  return Uint8Array.from(whole).buffer;
}

const files = {
  "skill/SKILL.md": Buffer.from("---\nname: skill\n---\nGrüße 数\n"),
  "skill/deep/run.sh": Buffer.from("echo hello\n".repeat(10_000)),
  "skill/empty": Buffer.alloc(0),
  "skill/picture.png": Buffer.from([0x89, 0x50, 0, 1, 2, 0xff]),
};

test("an archive is what was put into it", async () => {
  for (const compress of [true, false]) {
    const found = unzip(await zipped(files, compress));
    assert.deepEqual(
      found.map(({ path, bytes }) => [path, bytes]),
      Object.entries(files).map(([path, { length }]) => [path, length]),
    );
    for (const { path, content } of found)
      assert.deepEqual(Buffer.from(await content()), files[path as keyof typeof files]);
  }
  assert.equal(textOf(files["skill/picture.png"]), null);
  assert.match(textOf(files["skill/SKILL.md"]) ?? "", /Grüße/);
});

test("one that is cut or says what is not so is damaged, and never more than it says", async () => {
  const archive = await zipped(files, true);
  assert.throws(() => unzip(archive.slice(0, archive.byteLength - 30)), /damaged/);
  assert.throws(() => unzip(new ArrayBuffer(0)), /damaged/);
  const lying = archive.slice(0);
  const view = new DataView(lying);
  for (let at = 0; at + 46 < lying.byteLength; at += 1)
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 5, true);
  const run = unzip(lying).find(({ path }) => path.endsWith("run.sh"));
  await assert.rejects(async () => run?.content(), /damaged/);
});
