import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { limits } from "../limits.ts";
import { contentsIn } from "./contents.ts";
import { fromBytes, inOrder, type ManifestEntry, readManifest, writeManifest } from "./manifest.ts";
import { type Packing, packFolder } from "./pack.ts";
import { unpack } from "./unpack.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-pack-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function fresh(): { source: string; target: string; packing: Packing } {
  const base = mkdtempSync(join(folder, "case-"));
  const [source, target] = [join(base, "source"), join(base, "target")];
  for (const each of [source, target]) mkdirSync(each);
  const contents = contentsIn(join(base, "contents"), () => {});
  return { source, target, packing: { contents, entries: [], leftOut: [] } };
}

/** There and back, by way of a manifest on the disk. */
function roundTrip(source: string, target: string, packing: Packing): void {
  packFolder(packing, "kept", source);
  const header = { drover_backup: 1, version: "0", made_at: "", postgres_major: 15 } as const;
  writeManifest(folder, { header, entries: inOrder(packing.entries.toReversed()) });
  unpack(target, readManifest(folder).entries, packing.contents, () => null);
}

const oddName = Buffer.from([0x6f, 0xff, 0x0a]);

test("files, folders and links come back as they were, whatever they are called", () => {
  const { source, target, packing } = fresh();
  mkdirSync(join(source, "a b/deep"), { recursive: true });
  writeFileSync(join(source, "a b/deep/file"), "text");
  // Sorts between a folder and what is in it, byte by byte.
  writeFileSync(join(source, "a b!"), "text");
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), oddName]), "odd");
  symlinkSync("/etc/passwd", join(source, "link"));
  chmodSync(join(source, "a b/deep/file"), 0o640);
  const time = new Date("2026-01-02T03:04:05.678Z");
  utimesSync(join(source, "a b/deep/file"), time, time);
  lutimesSync(join(source, "link"), time, time);
  chmodSync(join(source, "a b/deep"), 0o750);
  utimesSync(join(source, "a b/deep"), time, time);
  roundTrip(source, target, packing);

  const at = (path: string) => join(target, "kept", path);
  assert.equal(readFileSync(at("a b/deep/file"), "utf8"), "text");
  assert.equal(readFileSync(at("a b!"), "utf8"), "text");
  assert.equal(readFileSync(Buffer.concat([Buffer.from(`${target}/kept/`), oddName]), "utf8"), "odd");
  assert.equal(readlinkSync(at("link")), "/etc/passwd");
  assert.equal(statSync(at("a b/deep/file")).mode & 0o7777, 0o640);
  assert.equal(statSync(at("a b/deep")).mode & 0o7777, 0o750);
  for (const path of ["a b/deep/file", "a b/deep", "link"])
    assert.equal(Math.round(lstatSync(at(path)).mtimeMs), time.getTime(), path);
  assert.deepEqual(packing.leftOut, []);
});

test("holes stay holes, and a content is kept once", () => {
  const { source, target, packing } = fresh();
  const fd = openSync(join(source, "sparse"), "w");
  writeSync(fd, "begin", 0);
  ftruncateSync(fd, 64 << 20);
  closeSync(fd);
  for (const name of ["one", "two"]) writeFileSync(join(source, name), "the same");
  roundTrip(source, target, packing);
  const { size, blocks } = statSync(join(target, "kept/sparse"));
  assert.equal(size, 64 << 20);
  assert.ok(blocks * 512 < 8 << 20, `${blocks} blocks`);
  const contents = readdirSync(join(target, "../contents"), { recursive: true, withFileTypes: true });
  assert.equal(contents.filter((each) => each.isFile()).length, 2);
});

test("what cannot be kept is named, and the rest is kept", () => {
  const { source, target, packing } = fresh();
  execFileSync("mkfifo", [join(source, "pipe")]);
  writeFileSync(join(source, "rest"), "kept");
  mkdirSync(
    join(
      source,
      Array(limits.backup_folders_deep_max + 2)
        .fill("d")
        .join("/"),
    ),
    { recursive: true },
  );
  roundTrip(source, target, packing);
  assert.deepEqual(
    packing.leftOut.map(({ why }) => why),
    [
      `lies more than ${limits.backup_folders_deep_max} folders deep`,
      "is neither a file, a folder nor a link",
    ],
  );
  assert.equal(readFileSync(join(target, "kept/rest"), "utf8"), "kept");
});

test("a manifest that leads out of its folder is refused", () => {
  const about = { mode: 0o755, uid: 0, gid: 0, mtime_ms: 0 };
  const link: ManifestEntry = { type: "link", path: "a", target: "/etc", ...about };
  const cases: ManifestEntry[][] = [
    [{ type: "folder", path: "..", ...about }],
    [{ type: "folder", path: "/a", ...about }],
    [{ type: "folder", path: fromBytes(Buffer.from("a\0b")), ...about }],
    [{ type: "folder", path: "a/b", ...about }],
    [link, { type: "folder", path: "a/b", ...about }],
  ];
  for (const entries of cases) {
    const { target, packing } = fresh();
    assert.throws(
      () => unpack(target, entries, packing.contents, () => null),
      /no path of a backup|no folder before/,
    );
  }
});
