import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Made, ociArchive, savedArchive, tar } from "./testing-archives.ts";
import { unpack } from "./unpack.ts";

const quiet = { layer() {}, bytes() {} };
const bounds = { files_max: 100, bytes_max: 1 << 20 };

/** Unpacks an archive; `at` reads what a path of the image holds. */
async function unpacked(t: TestContext, archive: Buffer, most = bounds) {
  const folder = mkdtempSync(join(tmpdir(), "drover-unpack-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, "rootfs");
  mkdirSync(root);
  writeFileSync(join(folder, "archive.tar"), archive);
  const fd = openSync(join(folder, "archive.tar"), "r");
  t.after(() => closeSync(fd));
  const result = await unpack(fd, root, most, quiet);
  return { ...result, folder, root, at: (path: string) => readFileSync(join(root, path), "utf8") };
}

const layersOf = (...layers: Made[][]) => ociArchive(layers.map(tar));

test("layers lie over each other, in whatever form they are packed", async (t) => {
  const layers = [
    tar([
      { path: "etc", type: "folder" },
      { path: "etc/one", content: "1" },
      { path: "etc/two", content: "2" },
    ]),
    tar([{ path: "etc/two", content: "zwei" }]),
    tar([{ path: "etc/three", content: "3", mode: 0o755 }]),
  ];
  const packings = [
    (layer: Buffer) => layer,
    (layer: Buffer) => gzipSync(layer),
    (layer: Buffer) => zstdCompressSync(layer),
  ];
  const env = ["PATH=/opt/bin:/bin", "A=b"];
  const archives = [
    ociArchive(layers, { env, pack: (layer, n) => packings[n]?.(layer) ?? layer }),
    savedArchive(layers, { env }),
  ];
  for (const archive of archives) {
    const image = await unpacked(t, archive);
    assert.deepEqual(readdirSync(join(image.root, "etc")).sort(), ["one", "three", "two"]);
    assert.equal(image.at("etc/two"), "zwei");
    assert.equal(statSync(join(image.root, "etc/three")).mode & 0o777, 0o755);
    assert.deepEqual(image.env, env);
  }
});

test("a layer takes away what lies below it, and nothing of its own", async (t) => {
  const image = await unpacked(
    t,
    layersOf(
      [
        { path: "a/old", content: "old" },
        { path: "a/sub/old", content: "old" },
        { path: "b/old", content: "old" },
        { path: "c/old", content: "old" },
        { path: "file", content: "old" },
      ],
      [
        { path: "a/sub/new", content: "new" },
        { path: "a/.wh..wh..opq" },
        { path: "a/new", content: "new" },
        { path: "b/.wh.old" },
        { path: ".wh.c" },
        { path: "file", type: "folder" },
        { path: ".wh.never-was" },
      ],
    ),
  );
  assert.deepEqual(readdirSync(join(image.root, "a")).sort(), ["new", "sub"]);
  assert.deepEqual(readdirSync(join(image.root, "a/sub")), ["new"]);
  assert.deepEqual(readdirSync(join(image.root, "b")), []);
  assert.equal(existsSync(join(image.root, "c")), false);
  assert.equal(statSync(join(image.root, "file")).isDirectory(), true);
});

test("links lead to where they lead in the image", async (t) => {
  const long = "n".repeat(120);
  const image = await unpacked(
    t,
    layersOf(
      [
        { path: "usr/lib/real", content: "real" },
        { path: "lib", type: "link", target: "usr/lib" },
        { path: "var/run", type: "link", target: "/run" },
        { path: "again", type: "hard_link", target: "/usr/lib/real" },
        { path: `deep/${long}`, type: "link", target: long },
      ],
      [
        { path: "lib/second", content: "second" },
        { path: "var/run/pid", content: "1" },
        { path: "lib/.wh.real" },
      ],
    ),
  );
  assert.equal(image.at("usr/lib/second"), "second");
  assert.equal(existsSync(join(image.root, "usr/lib/real")), false);
  assert.equal(image.at("run/pid"), "1");
  assert.equal(image.at("again"), "real");
  assert.equal(readlinkSync(join(image.root, "deep", long)), long);
});

test("nothing leaves the folder of the image, however it is named and linked", async (t) => {
  const outside = mkdtempSync(join(tmpdir(), "drover-outside-"));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  writeFileSync(join(outside, "kept"), "kept");
  const image = await unpacked(
    t,
    layersOf(
      [
        { path: "out", type: "link", target: outside },
        { path: "up", type: "link", target: "../../../../../../../../../../.." },
        { path: "final", type: "link", target: join(outside, "kept") },
      ],
      [
        { path: "out/written", content: "x" },
        { path: `up${outside}/written`, content: "x" },
        { path: "final", content: "x" },
        { path: "out/.wh.kept" },
        { path: "/absolute", content: "inside" },
      ],
    ),
  );
  assert.deepEqual(readdirSync(outside), ["kept"]);
  assert.equal(readFileSync(join(outside, "kept"), "utf8"), "kept");
  assert.equal(image.at("absolute"), "inside");
  assert.equal(image.at("final"), "x");
  assert.deepEqual(readdirSync(image.folder).sort(), ["archive.tar", "rootfs"]);
});

test("what no sandbox may have is left out, or loses what makes it so", async (t) => {
  const image = await unpacked(
    t,
    layersOf([
      { path: "bin/su", content: "su", mode: 0o6755 },
      { path: "secret", content: "s", mode: 0o600 },
      { path: "dev/sda", type: "device" },
      { path: "dev/pipe", type: "pipe" },
    ]),
  );
  assert.equal(image.left_out, 2);
  assert.deepEqual(readdirSync(join(image.root, "dev")), []);
  assert.equal(lstatSync(join(image.root, "bin/su")).mode & 0o7777, 0o755);
  assert.equal(lstatSync(join(image.root, "secret")).mode & 0o7777, 0o644);
});

const refused: [string, Buffer, RegExp][] = [
  ["a path through ..", layersOf([{ path: "a/../../b" }]), /leads out of the image/],
  ["a whiteout of ..", layersOf([{ path: "..", type: "folder" }]), /leads out of the image/],
  [
    "a hard link to nothing",
    layersOf([{ path: "a", type: "hard_link", target: "/etc/passwd" }]),
    /links a file that is not/,
  ],
  [
    "a hard link out",
    layersOf([{ path: "a", type: "hard_link", target: "../../etc/passwd" }]),
    /links a file that is not/,
  ],
  ["links in a circle", layersOf([{ path: "a", type: "link", target: "a" }, { path: "a/b" }]), /circle/],
  [
    "too many files",
    layersOf(Array.from({ length: 101 }, (_, n) => ({ path: `${n}` }))),
    /more than 100 files/,
  ],
  [
    "a bomb",
    ociArchive([tar([{ path: "a", content: Buffer.alloc(8 << 20) }])], { pack: (layer) => gzipSync(layer) }),
    /once unpacked/,
  ],
  [
    "another layer than it says",
    ociArchive([tar([{ path: "a" }])], { diff_id: () => `sha256:${"0".repeat(64)}` }),
    /not what its digest says/,
  ],
  ["a changed layer", changed(layersOf([{ path: "a", content: "before" }])), /not what its digest says/],
  [
    "a layer that is packed in another way than it says",
    repacked(ociArchive([tar([{ path: "a" }])], { pack: (layer) => gzipSync(layer) })),
    /not what its digest says/,
  ],
  ["another machine's", ociArchive([], { architecture: "s390x" }), /is for linux on s390x/],
  ["a compressed archive", gzipSync(layersOf([])), /unpack it first/],
  ["no archive", Buffer.from("hello".repeat(200)), /damaged/],
  ["another archive", tar([{ path: "hello" }]), /neither an OCI layout/],
  [
    "half an archive",
    layersOf([{ path: "a", content: Buffer.alloc(4_096) }]).subarray(0, 2_000),
    /cut short/,
  ],
];

function changed(archive: Buffer): Buffer {
  archive.write("BEFORE", archive.indexOf("before"));
  return archive;
}

/** Of what gzip says of itself, the time. */
function repacked(archive: Buffer): Buffer {
  archive.writeUInt32LE(1, archive.indexOf(Buffer.from([0x1f, 0x8b, 8])) + 4);
  return archive;
}

for (const [what, archive, why] of refused)
  test(`refused: ${what}`, async (t) => {
    await assert.rejects(unpacked(t, archive), why);
  });

test("a whiteout can name no folder above", async (t) => {
  const image = await unpacked(
    t,
    layersOf([{ path: "a/b" }], [{ path: "a/.wh..." }, { path: "a/.wh.." }, { path: "a/.wh." }]),
  );
  assert.deepEqual(readdirSync(join(image.root, "a")), ["b"]);
});
