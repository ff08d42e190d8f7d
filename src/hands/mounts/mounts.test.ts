import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openBlobs } from "../blobs/blobs.ts";
import { testFolder } from "../testing.ts";
import type { Mount } from "../wire.ts";
import { createMounts, type Mounts } from "./mounts.ts";

const folder = testFolder();
after(() => folder.remove());

const shaOf = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");

function file(path: string, text: string, executable = false): Mount {
  return { path: `/mnt/session/${path}`, sha256: shaOf(text), bytes: Buffer.byteLength(text), executable };
}

let count = 0;
async function host(path = join(folder.path, `host${count++}`)) {
  const blobs = await openBlobs({ folder: join(path, "blobs") });
  after(() => blobs.close());
  const mounts = createMounts({ blobs, folderOf: (id) => join(path, "mounts", id) });
  /** Sends what is missing, and has it mounted. */
  async function mount(version: number, files: [string, string, boolean?][]): Promise<void> {
    const list = { version, mounts: files.map((each) => file(...each)) };
    const missing = await mounts.mount("sbx_a", list);
    for (const { sha256 } of missing) {
      const data = Buffer.from(files.map(([, text]) => text).find((text) => shaOf(text) === sha256) ?? "");
      await mounts.put({ sha256, bytes: data.length, offset: 0, data });
    }
    if (missing.length > 0) assert.deepEqual(await mounts.mount("sbx_a", list), []);
  }
  return {
    path,
    mounts,
    mount,
    uploads: join(path, "mounts", "sbx_a", "uploads"),
    sandbox: join(path, "mounts", "sbx_a"),
  };
}

/** What is in a folder: the text of each file by its path, with an asterisk for a program. */
function shown(path: string): Record<string, string> {
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  return Object.fromEntries(
    entries.flatMap((each) => {
      const at = join(each.parentPath, each.name);
      if (each.isDirectory()) return [];
      const mark = statSync(at).mode & 0o111 ? "*" : "";
      return [
        [at.slice(path.length + 1) + mark, each.isFile() ? readFileSync(at, "utf8") : readlinkSync(at)],
      ];
    }),
  );
}

describe("what is mounted", () => {
  test("is the whole list: what is not in it goes, and what was replaced is another file", async () => {
    const { mount, mounts, uploads } = await host();
    assert.ok(mounts.has("sbx_a", 0) && !mounts.has("sbx_a", 1));
    await mount(1, [
      ["uploads/a", "one"],
      ["uploads/deep/er/b", "two"],
      ["uploads/run", "#!", true],
      ["uploads/empty", ""],
    ]);
    assert.deepEqual(shown(uploads), { a: "one", "deep/er/b": "two", "run*": "#!", empty: "" });
    assert.ok(mounts.has("sbx_a", 1) && !mounts.has("sbx_a", 2));
    const before = statSync(join(uploads, "deep/er/b")).ino;
    await mount(4, [
      ["uploads/a", "three"],
      ["uploads/deep/er/b", "two"],
      ["uploads/run", "#!", false],
    ]);
    assert.deepEqual(shown(uploads), { a: "three", "deep/er/b": "two", run: "#!" });
    assert.equal(statSync(join(uploads, "deep/er/b")).ino, before, "what stays is not touched");
    await mount(5, [
      ["uploads/a/now/a/folder", "one"],
      ["uploads/deep", "now a file"],
    ]);
    assert.deepEqual(shown(uploads), { "a/now/a/folder": "one", deep: "now a file" });
    await mount(6, []);
    assert.deepEqual(readdirSync(uploads), []);
    assert.ok(mounts.has("sbx_a", 6));
  });

  test("can be read by all and written by nobody, whatever the umask", async () => {
    const before = process.umask(0o077);
    const { mount, uploads } = await host();
    try {
      await mount(1, [
        ["uploads/deep/a", "one"],
        ["uploads/deep/run", "#!", true],
      ]);
    } finally {
      process.umask(before);
    }
    const modes = ["", "deep", "deep/a", "deep/run"].map(
      (path) => statSync(join(uploads, path)).mode & 0o7777,
    );
    assert.deepEqual(modes, [0o755, 0o755, 0o444, 0o555]);
    const owners = ["", "deep", "deep/a"].map((path) => statSync(join(uploads, path)).uid);
    assert.deepEqual(new Set(owners), new Set([process.getuid?.()]));
  });

  test("is not taken back by a list that is older, or the same", async () => {
    const { mount, mounts, uploads } = await host();
    await mount(3, [["uploads/a", "new"]]);
    assert.deepEqual(
      await mounts.mount("sbx_a", { version: 2, mounts: [file("uploads/a", "never sent")] }),
      [],
    );
    assert.deepEqual(await mounts.mount("sbx_a", { version: 3, mounts: [] }), []);
    assert.deepEqual(shown(uploads), { a: "new" });
  });

  test("changes nothing as long as contents are missing, and says how much of each has come", async () => {
    const { mount, mounts, uploads } = await host();
    await mount(1, [["uploads/a", "one"]]);
    const data = randomBytes(100);
    const big: Mount = {
      path: "/mnt/session/uploads/big",
      sha256: shaOf(data),
      bytes: 100,
      executable: false,
    };
    const list = { version: 2, mounts: [file("uploads/b", "one"), big] };
    assert.deepEqual(await mounts.mount("sbx_a", list), [{ sha256: big.sha256, received: 0 }]);
    await mounts.put({ sha256: big.sha256, bytes: 100, offset: 0, data: data.subarray(0, 60) });
    assert.deepEqual(await mounts.mount("sbx_a", list), [{ sha256: big.sha256, received: 60 }]);
    assert.deepEqual(shown(uploads), { a: "one" });
    assert.ok(!mounts.has("sbx_a", 2));
  });

  test("is refused with a path that leads elsewhere, before anything is changed", async () => {
    const { mount, mounts, uploads, path } = await host();
    await mount(1, [["uploads/a", "one"]]);
    for (const bad of ["uploads/../../../../evil", "outputs/x", "uploads//x"])
      await assert.rejects(
        mounts.mount("sbx_a", { version: 2, mounts: [file("uploads/b", "one"), file(bad, "one")] }),
        /nothing can be mounted at/,
      );
    assert.deepEqual(shown(uploads), { a: "one" });
    assert.deepEqual(readdirSync(path).sort(), ["blobs", "mounts"]);
  });

  test("is made true whatever an interrupted one has left, and no link is followed", async () => {
    const { mount, uploads, sandbox } = await host();
    const outside = join(folder.path, "outside");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "precious"), "precious");
    await mount(1, [
      ["uploads/a", "one"],
      ["uploads/b/c", "two"],
    ]);
    rmSync(join(uploads, "a"));
    symlinkSync(join(outside, "precious"), join(uploads, "a"));
    rmSync(join(uploads, "b"), { recursive: true });
    symlinkSync(outside, join(uploads, "b"));
    mkdirSync(join(sandbox, "parts"));
    writeFileSync(join(sandbox, "parts", "file"), "half");
    await mount(2, [
      ["uploads/a", "one"],
      ["uploads/b/c", "two"],
    ]);
    assert.deepEqual(shown(uploads), { a: "one", "b/c": "two" });
    assert.deepEqual(shown(outside), { precious: "precious" });
    assert.deepEqual(readdirSync(sandbox).sort(), ["skills", "uploads", "version"]);
  });

  test("is swapped whole under a program that has it open", async () => {
    const { mount, uploads } = await host();
    await mount(1, [["uploads/a", "before"]]);
    const held = openSync(join(uploads, "a"), "r");
    await mount(2, [["uploads/a", "after"]]);
    assert.equal(readFileSync(held, "utf8"), "before");
    closeSync(held);
    assert.deepEqual(shown(uploads), { a: "after" });
  });

  test("stays with the host over a restart, and goes with the sandbox", async () => {
    const before = await host();
    await before.mount(7, [["uploads/a", "one"]]);
    const { mounts, sandbox } = await host(before.path);
    assert.ok(mounts.has("sbx_a", 7));
    await mounts.forget("sbx_a", async () => rmSync(sandbox, { recursive: true }));
    assert.ok(!mounts.has("sbx_a", 1));
  });

  test("of lists that come at once the newest is there, whichever came first", async () => {
    const { mount, mounts, uploads } = await host();
    await mount(1, [
      ["uploads/a", "1"],
      ["uploads/b", "2"],
      ["uploads/c", "3"],
    ]);
    const list = (version: number, text: string): Parameters<Mounts["mount"]>[1] => ({
      version,
      mounts: Array.from({ length: 20 }, (_, n) => file(`uploads/${n}`, text)),
    });
    await Promise.all([list(3, "2"), list(4, "3"), list(2, "1")].map((each) => mounts.mount("sbx_a", each)));
    assert.ok(mounts.has("sbx_a", 4));
    assert.deepEqual(new Set(Object.values(shown(uploads))), new Set(["3"]));
  });
});
