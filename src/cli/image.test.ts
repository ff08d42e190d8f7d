import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ociArchive, tar } from "../hands/images/archive/testing-archives.ts";
import { programsLayer } from "../hands/images/testing-image.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-image-"));
chmodSync(folder, 0o711);
after(() => rmSync(folder, { recursive: true, force: true }));
const archive = join(folder, "small.tar");
writeFileSync(archive, ociArchive([programsLayer()]));
const images = join(folder, "data", "hands", "images");

function start(...args: string[]) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return spawn(process.execPath, [join(import.meta.dirname, "../main.ts"), "image", ...args], {
    env: { PATH, NODE_COMPILE_CACHE, DROVER_DATA_DIR: join(folder, "data"), XDG_RUNTIME_DIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function image(...args: string[]) {
  const child = start(...args);
  const [said, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { said, errors, code };
}

test("images are imported, listed and removed", async () => {
  assert.match((await image("list")).said, /^no images/);
  const made = await image("import", "tools/small:1", archive);
  assert.equal(made.code, 0, made.errors);
  assert.match(made.said, /^tools\/small:1: \d+ files, .* from small\.tar, sha256:/);
  assert.match((await image("list")).said, /^tools\/small:1 {2}\d{4}-\d\d-\d\d/);
  const again = await image("import", "tools/small:1", archive);
  assert.match(again.errors, /there is an image tools\/small:1 already.*drover image remove/);
  assert.equal(again.code, 1);
  assert.deepEqual(await image("remove", "tools/small:1"), {
    said: "removed tools/small:1\n",
    errors: "",
    code: 0,
  });
  assert.match((await image("remove", "tools/small:1")).errors, /has no image tools\/small:1; it has none/);
});

test("what is wrong is said before anything is done", async () => {
  assert.match((await image("import", "../up", archive)).errors, /must be the name of an image/);
  assert.match((await image("import", "other", join(folder, "nothing.tar"))).errors, /no such file/);
  assert.match((await image("build", "other", "--suite", "--no")).errors, /code name of a release/);
  assert.match((await image("build", "other", "--include", "a b")).errors, /separated by commas/);
});

test("an interrupt leaves nothing", async () => {
  const large = join(folder, "large.tar");
  // So many that nobody who looks now and then misses their being written.
  const files = Array.from({ length: 50_000 }, (_, n) => ({ path: `f${n}`, content: Buffer.from("x") }));
  writeFileSync(large, ociArchive([tar(files)]));
  const child = start("import", "large", large);
  const errors = text(child.stderr);
  const staging = join(images, ".staging");
  // It has begun when there is something in its place.
  while (readdirSync(staging).length === 0) {
    assert.equal(child.exitCode, null, "it has ended before anybody saw it begin");
    await setTimeout(10);
  }
  child.kill("SIGINT");
  const [code] = await once(child, "exit");
  assert.match(await errors, /interrupted; nothing of it is left/);
  assert.equal(code, 130);
  assert.deepEqual([...readdirSync(staging), ...readdirSync(join(images, ".trash"))], []);
});
