import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Driver, Sandbox } from "../driver.ts";
import { bubblewrap } from "../drivers/bubblewrap.ts";
import { runIn, type TestFolder, testFolder, testSpec } from "../testing.ts";
import { type Output, outputsList } from "../wire.ts";
import { type ListBounds, listBounds, listOutputs, nothing } from "./list.ts";
import { type OutputsFolder, openBeneath } from "./open.ts";
import { readOutput } from "./read.ts";

const secret = "a secret of the host";
let folder: TestFolder;
let driver: Driver;
let sandbox: Sandbox;
let root: OutputsFolder;

before(async () => {
  folder = testFolder();
  writeFileSync(join(folder.path, "secret"), secret, { mode: 0o644 });
  driver = bubblewrap({ data_dir: folder.path });
  sandbox = await driver.provision("sbx_outputs", testSpec);
  root = driver.keptFolders("sbx_outputs")?.find(({ name }) => name === "outputs") ?? assert.fail();
});
after(async () => {
  await sandbox.destroy();
  await driver.forget("sbx_outputs");
  await driver.close();
  folder.remove();
});
beforeEach(() => {
  execFileSync("find", [root.path, "-mindepth", "1", "-delete"]);
});

async function inside(script: string): Promise<void> {
  const { code, stderr } = await runIn(sandbox, ["bash", "-c", `cd /mnt/session/outputs; ${script}`]);
  assert.equal(code, 0, stderr);
}

const listed = async (bounds: Partial<ListBounds> = {}) =>
  listOutputs(root, { rest_ms: 0, bounds: { ...listBounds, ...bounds } });
const pathsIn = ({ files }: { files: Output[] }) => files.map(({ path }) => path);
const read = (output: Output, more: Partial<{ offset: number; length: number }> = {}) =>
  readOutput(root, { ...output, offset: 0, length: output.bytes, ...more });
const only = async (): Promise<Output> => {
  const [output, ...others] = (await listed()).files;
  assert.deepEqual(others, []);
  return output ?? assert.fail("there is none");
};

describe("a list of outputs", () => {
  test("has what lies in the folder and below it, in the order of the names", async () => {
    await inside("mkdir -p b/c; echo 1 > b/c/one; echo 22 > a; echo 3 > 'ü n'; echo 4 > .hidden");
    const list = await listed();
    assert.deepEqual(pathsIn(list), [".hidden", "a", "b/c/one", "ü n"]);
    assert.deepEqual(list.left_out, []);
    const [, a] = list.files;
    assert.ok(a);
    assert.equal(String(read(a)), "22\n");
    assert.equal(String(read(a, { offset: 1, length: 1 })), "2");
  });

  test("is the same while nothing changes, and another one with anything that does", async () => {
    assert.equal((await listed()).state, nothing);
    await inside("echo 1 > a");
    const { state } = await listed();
    assert.equal((await listed()).state, state);
    for (const change of ["echo 2 > a", "touch b", "rm a", "ln -s x y"]) {
      const before = (await listed()).state;
      await inside(change);
      assert.notEqual((await listed()).state, before, change);
    }
  });

  test("leaves for later what has just changed", async () => {
    await inside("echo 1 > a");
    const { files, rest } = await listOutputs(root, { rest_ms: 60_000 });
    assert.deepEqual(files, []);
    assert.equal(rest, false);
  });

  test("leaves out, with the reason, what is no file or has no name that could be told", async () => {
    await inside(`ln -s ${folder.path}/secret link; ln -s /etc folder; mkfifo pipe; ln -s a loop
: > "$(printf 'new\\nline')"; : > "$(printf '\\377')"; : > "$(printf '\\033[31m')"; echo 1 > a`);
    const list = await listed();
    assert.deepEqual(pathsIn(list), ["a"]);
    assert.deepEqual(list.left_out.map(({ path, why }) => `${path}: ${why}`).toSorted(), [
      "folder: it is a link",
      "link: it is a link",
      "loop: it is a link",
      "new\ufffdline: its name is not valid UTF-8, or holds control characters",
      "pipe: it is no regular file",
      "\ufffd: its name is not valid UTF-8, or holds control characters",
      "\ufffd[31m: its name is not valid UTF-8, or holds control characters",
    ]);
  });

  test("is one that the server takes, whatever the sandbox says of its files", async () => {
    // Of a file system that keeps every time.
    const path = mkdtempSync("/dev/shm/drover-outputs-");
    after(() => rmSync(path, { recursive: true }));
    let deep = path;
    for (let n = 0; n < 34; n += 1) {
      deep = join(deep, "\u0001".repeat(60));
      mkdirSync(deep);
    }
    for (const [name, seconds] of [
      ["far", 2 ** 62],
      ["long ago", -(2 ** 62)],
      ["now", 1],
    ] as const) {
      writeFileSync(join(path, name), "1");
      utimesSync(join(path, name), seconds, seconds);
    }
    const list = await listOutputs({ path, owner: null }, { rest_ms: 0 });
    const said = outputsList.parse(JSON.parse(JSON.stringify(list)));
    assert.deepEqual(pathsIn(said), ["far", "long ago", "now"]);
    assert.equal(said.files[2]?.written_at_ms, 1_000);
  });

  test("is believed by the server as far as its paths lead nowhere else and it has an end", () => {
    const output = { path: "a/b", bytes: 1, version: "1", written_at_ms: 1 };
    const left = { path: "a", why: "b" };
    const said = (files: object[], left_out: object[] = []) =>
      outputsList.safeParse({ state: "1", files, left_out, left_out_count: 0, rest: true }).success;
    assert.ok(said([output], [left]));
    for (const path of [
      "",
      "/etc/x",
      "../x",
      "a/../../x",
      "a//b",
      "a/",
      "./a",
      "a\0b",
      "a\nb",
      "\ud800",
      "a".repeat(1_025),
    ])
      assert.ok(!said([{ ...output, path }]), JSON.stringify(path));
    assert.ok(!said([{ ...output, bytes: 2 ** 40 }]));
    assert.ok(!said(Array(2_001).fill(output)));
    assert.ok(!said([], Array(21).fill(left)));
    assert.ok(!said([], [{ ...left, why: "b".repeat(20_000) }]));
  });

  test("has an end, however much there is", async () => {
    await inside("mkdir many; cd many; seq 1 3000 | xargs touch");
    const list = await listed({ entries: 100, files: 10 });
    assert.equal(list.files.length, 10);
    assert.equal(list.left_out_count, 90);
    assert.equal(list.left_out.length, 20);
    assert.match(list.left_out[0]?.why ?? "", /there are more than 10 files/);
    const few = await listed({ entries: 5 });
    assert.deepEqual(few.left_out, [{ path: "many", why: "there is too much in this folder" }]);
    await inside("rm -r many; mkdir -p 1/2/3; echo 1 > 1/2/3/deep; echo 1 > 1/2/here");
    const shallow = await listed({ depth: 2 });
    assert.deepEqual(pathsIn(shallow), ["1/2/here"]);
    assert.deepEqual(shallow.left_out, [{ path: "1/2/3", why: "it lies too deep" }]);
    const narrow = await listed({ path_bytes: 6 });
    assert.deepEqual(pathsIn(narrow), []);
    assert.equal(narrow.left_out_count, 2);
  });

  test("has neither what is too large nor what is too large with the others", async () => {
    await inside("truncate -s 10M hole; echo 1 > a; head -c 100 /dev/zero > b; echo 2 > c");
    const list = await listed({ file_bytes: 1 << 20, bytes: 50 });
    assert.deepEqual(pathsIn(list), ["a", "c"]);
    assert.deepEqual(
      list.left_out.map(({ path, why }) => `${path}: ${why}`),
      ["b: all files together are larger than 0 MB", "hole: it is larger than 1 MB"],
    );
  });

  test("has what the sandbox has closed to itself, and nothing that is not its own", {
    skip: process.getuid?.() === 0 ? false : "needs root",
  }, async () => {
    await inside("mkdir closed; echo 1 > closed/file; chmod 0 closed/file closed");
    const path = join(root.path, "foreign");
    writeFileSync(path, "a file of root");
    linkSync(path, join(root.path, "linked"));
    const list = await listed();
    assert.deepEqual(pathsIn(list), ["closed/file"]);
    assert.deepEqual(
      list.left_out.map(({ path }) => path),
      ["foreign", "linked"],
    );
    const [output] = list.files;
    assert.ok(output);
    assert.equal(String(read(output)), "1\n");
    chownSync(join(root.path, "closed/file"), 0, 0);
    assert.equal(read({ ...output, version: output.version }), null);
  });
});

describe("an output that is read", () => {
  test("is as it was listed, or is not handed over", async () => {
    const path = join(root.path, "a");
    const time = new Date();
    for (const change of [
      () => appendFileSync(path, "more"),
      () => writeFileSync(path, "four"),
      () => truncateSync(path, 2),
      () => utimesSync(path, time, time),
      () => chmodSync(path, 0o600),
      () => renameSync(path, join(root.path, "b")),
    ]) {
      await inside("rm -f b; echo 123 > a");
      const output = await only();
      assert.equal(String(read(output)), "123\n");
      change();
      assert.equal(read(output), null, String(change));
    }
  });

  test("is not one through a link, whatever of its path that is", async () => {
    await inside("mkdir -p a/b; echo inside > a/b/secret");
    const away = join(folder.path, "away");
    mkdirSync(join(away, "b"), { recursive: true });
    writeFileSync(join(away, "b/secret"), secret);
    for (const [from, to] of [
      ["a", away],
      ["a/b", folder.path],
      ["a/b/secret", join(folder.path, "secret")],
    ] as const) {
      renameSync(join(root.path, from), join(folder.path, "held"));
      symlinkSync(to, join(root.path, from));
      assert.equal(openBeneath(root, "a/b/secret"), null, from);
      await inside(`rm ${from}`);
      renameSync(join(folder.path, "held"), join(root.path, from));
    }
    assert.equal(String(read(await only())), "inside\n");
  });

  test("is asked for by a path beneath the folder alone", async () => {
    await inside("echo 1 > a");
    const output = await only();
    for (const path of [
      "../a",
      "./a",
      "/a",
      "a/",
      "",
      "..",
      "a/../a",
      "../workspace/a",
      "a\0",
      "x".repeat(300),
    ])
      assert.equal(read({ ...output, path }), null, path);
  });
});

/** Swaps what names stand for as fast as it can, for as long as it lives. */
const swapping = (path: string) => `
import os, itertools
os.chdir("/mnt/session/outputs")
secret = ${JSON.stringify(path)}
os.makedirs("folder"); open("folder/secret", "w").write("its own"); os.symlink(os.path.dirname(secret), "link")
kinds = [lambda: open("next", "w").write("its own"), lambda: os.symlink(secret, "next"), lambda: os.mkfifo("next"),
  lambda: os.symlink("/dev/zero", "next"), lambda: os.symlink("/proc/self/environ", "next")]
print("ready", flush=True)
for n in itertools.count():
    kinds[n % len(kinds)]()
    os.replace("next", "file")
    os.rename("folder", "away"); os.rename("link", "folder"); os.rename("folder", "link"); os.rename("away", "folder")
    with open("growing", "a") as growing: growing.write("its own")
    if n % 100 == 0: open("growing", "w")
`;

test("names that are swapped meanwhile lead nowhere else", async () => {
  const script = swapping(join(folder.path, "secret"));
  const swaps = await sandbox.spawn(["python3", "-I", "-S", "-c", script], { control: false });
  await once(swaps.stdout, "data");
  let handed = 0;
  for (let n = 0; n < 400; n += 1) {
    const { files } = await listed();
    for (const output of files) {
      const data = read(output);
      handed += data === null ? 0 : 1;
      assert.match(String(data ?? ""), /^(its own)*$/);
      // Whatever it was told of, by hosts that have another one's version.
      const forged = readOutput(root, { path: "file", version: output.version, offset: 0, length: 100 });
      assert.match(String(forged ?? ""), /^(its own)*$/);
    }
  }
  await swaps.kill("SIGKILL");
  assert.ok(handed > 0, "none could be read");
});
