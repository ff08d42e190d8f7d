import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { findProgram } from "../src/hands/drivers/bwrap.ts";
import { buildImage } from "../src/hands/images/build.ts";
import { openImages } from "../src/hands/images/images.ts";
import { sh, testFolder, testSpec } from "../src/hands/testing.ts";

const mirror = "http://deb.debian.org/debian";

const reachable = await fetch(`${mirror}/dists/bookworm/Release`, {
  signal: AbortSignal.timeout(10_000),
}).then(
  (answer) => answer.ok,
  () => false,
);
const skip =
  (process.getuid?.() !== 0 && "only root can build an image") ||
  (findProgram("debootstrap") === undefined && "debootstrap is not installed") ||
  (!reachable && `${mirror} cannot be reached`);

test("a sandbox is made of a release of Debian, with what was included", { skip }, async (t) => {
  const folder = testFolder();
  t.after(() => folder.remove());
  const images = openImages(folder.path);
  const options = { suite: "bookworm", mirror, include: ["cowsay"] };
  const said: string[] = [];
  const progress = { begin() {}, passed() {}, say: (line: string) => void said.push(line) };
  const signal = new AbortController().signal;
  const image = await buildImage(images, { name: "debian", ...options }, { progress, signal });
  assert.ok(said.length > 10);
  const found = execFileSync("find", [
    image.rootfs,
    "-perm",
    "/6000",
    "-o",
    "-type",
    "c",
    "-o",
    "-type",
    "b",
  ]);
  assert.equal(found.toString(), "");
  const sandbox = await bubblewrap({ data_dir: folder.path }).provision("sbx_a", {
    ...testSpec,
    image: "debian",
  });
  t.after(() => sandbox.destroy());
  assert.match(await sh(sandbox, "cat /etc/debian_version"), /^12\./);
  assert.match(await sh(sandbox, "id -un; /usr/games/cowsay moo"), /^agent\n.*moo/s);
});

test("what cannot be built says why, and leaves nothing", { skip }, async (t) => {
  const folder = testFolder();
  t.after(() => folder.remove());
  const images = openImages(folder.path);
  const progress = { begin() {}, passed() {}, say() {} };
  const options = { name: "x", suite: "no-such-suite", mirror, include: [] };
  const building = buildImage(images, options, { progress, signal: new AbortController().signal });
  await assert.rejects(building, /no-such-suite/);
  assert.deepEqual(images.list(), []);
  assert.equal(existsSync(`${folder.path}/images/.staging/x`), false);
});
