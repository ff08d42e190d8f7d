import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { limits } from "../../limits.ts";
import {
  afterEachLook,
  blobsIn,
  checkpointsOf,
  damage,
  type KeptWorkspace,
  keptWorkspace,
  sandbox_id,
  session_id,
} from "./testing.ts";

const made: KeptWorkspace[] = [];
let kept: KeptWorkspace;
beforeEach(() => {
  kept = keptWorkspace();
  made.push(kept);
});
after(() => {
  for (const { folder } of made) folder.remove();
});

const write = (name: string, content: string | Buffer) => writeFileSync(join(kept.path, name), content);
const sh = (script: string) => execFileSync("bash", ["-c", script], { cwd: kept.path });

/** What a folder holds, as bytes say it. */
function treeOf(path: string): string {
  const find =
    'find . -printf "%y %m %p %l\\n" | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum';
  return execFileSync("bash", ["-c", find], { cwd: path, encoding: "latin1" });
}

describe("a checkpoint", () => {
  test("brings back names, contents, modes, times and links", async () => {
    mkdirSync(join(kept.path, "a/b"), { recursive: true });
    write("a/b/text", "hello");
    write("empty", "");
    write("large", Buffer.alloc(3 << 20, "x"));
    write("run", "#!/bin/sh\n");
    chmodSync(join(kept.path, "run"), 0o755);
    utimesSync(join(kept.path, "run"), 1_000_000, 1_000_000);
    symlinkSync("../nowhere", join(kept.path, "a/link"));
    chmodSync(join(kept.path, "a/b"), 0o550);
    const { checkpoint } = await kept.take({ calls: ["c1", "c2"] });
    const restored = await kept.restore();
    assert.equal(treeOf(restored.path), treeOf(kept.path));
    assert.equal(statSync(join(restored.path, "run")).mtimeMs, 1_000_000_000);
    assert.deepEqual(restored.checkpoint, checkpoint);
    assert.equal(restored.missing_count, 0);
    assert.deepEqual(checkpoint?.after_calls, ["c1", "c2"]);
    assert.deepEqual([checkpoint?.files, checkpoint?.bytes], [4, 5 + (3 << 20) + 10]);
  });

  test("reads no file again that has not changed, and stores nothing twice", async () => {
    for (let i = 0; i < 50; i++) write(`f${i}`, `content ${i % 10}`);
    assert.equal((await kept.take()).files_read, 50);
    const blobs = blobsIn(kept.storagePath);
    assert.equal(blobs.length, 11);
    assert.equal((await kept.take()).files_read, 0);
    assert.deepEqual(blobsIn(kept.storagePath), blobs);
    write("f7", "changed");
    assert.equal((await kept.take()).files_read, 1);
    assert.equal(readFileSync(join((await kept.restore()).path, "f7"), "utf8"), "changed");
  });

  test("of what has not changed is made only after a call", async () => {
    write("a", "1");
    const first = (await kept.take({ calls: ["c1"] })).checkpoint;
    assert.equal((await kept.take({ calls: [] })).checkpoint, null);
    write("a", "2");
    assert.deepEqual((await kept.take({ calls: [] })).checkpoint?.after_calls, ["c1"]);
    assert.equal((await kept.take({ calls: ["c2"] })).checkpoint?.n, 3);
    assert.deepEqual((await checkpointsOf(kept.storage, session_id))[0], first);
  });

  test("is one of several, and each can be brought back", async () => {
    for (const text of ["1", "2", "3"]) {
      write("a", text);
      await kept.take();
    }
    const textAt = async (n: number) =>
      readFileSync(join((await kept.restore({ sandbox_id, n })).path, "a"), "utf8");
    assert.deepEqual([await textAt(1), await textAt(3), await textAt(2)], ["1", "3", "2"]);
  });

  test("keeps names that are no text, and shows them in one line", async () => {
    const odd = Buffer.concat([Buffer.from(join(kept.path, "bad\xff"), "latin1"), Buffer.from("\nname")]);
    writeFileSync(odd, "odd");
    write("ünï\n[x]", "1");
    await kept.take();
    const restored = await kept.restore();
    assert.equal(treeOf(restored.path), treeOf(kept.path));
    damage(kept.storagePath, "odd");
    assert.deepEqual((await kept.restore()).missing, [
      { path: "/workspace/bad\ufffd\\x0aname", why: "it is damaged in the storage" },
    ]);
  });

  test("keeps a sparse file sparse", async () => {
    sh("truncate -s 40M hole; echo end >> hole; truncate -s 42M hole");
    await kept.take();
    const { path } = await kept.restore();
    const { size, blocks } = statSync(join(path, "hole"));
    assert.equal(size, 42 << 20);
    assert.ok(blocks * 512 < 4 << 20);
    assert.equal(treeOf(path), treeOf(kept.path));
    assert.ok(Number(execFileSync("du", ["-sk", kept.storagePath]).toString().split("\t")[0]) < 8 << 10);
  });
});

describe("a workspace that is made to trick the host", () => {
  test("has links kept as links, and nothing behind them read", async () => {
    writeFileSync(join(kept.folder.path, "secret"), "secret");
    symlinkSync(join(kept.folder.path, "secret"), join(kept.path, "file"));
    symlinkSync(kept.folder.path, join(kept.path, "folder"));
    const { files_read } = await kept.take();
    assert.equal(files_read, 0);
    const { path } = await kept.restore();
    assert.equal(readlinkSync(join(path, "folder")), kept.folder.path);
    assert.equal(treeOf(path), treeOf(kept.path));
  });

  test("has pipes, sockets and devices left out, and said", async () => {
    sh("mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'");
    if (process.getuid?.() === 0) sh("mknod dev c 1 5");
    write("file", "1");
    await kept.take();
    const { missing, path } = await kept.restore();
    assert.deepEqual(readdirSync(path), ["file"]);
    const whys = missing.map(({ path, why }) => `${path}: ${why}`).sort();
    assert.ok(whys.includes("/workspace/pipe: it was not kept: it is a named pipe"));
    assert.ok(whys.includes("/workspace/sock: it was not kept: it is a socket"));
  });

  test("is kept up to its bounds, and what is beyond is said", async () => {
    mkdirSync(join(kept.path, "many"));
    for (let i = 0; i < 200; i++) write(`many/${String(i).padStart(3, "0")}`, "");
    await kept.take({ bounds: { files: 20 } });
    const few = await kept.restore();
    assert.equal(readdirSync(join(few.path, "many")).length, 18);
    assert.ok(few.missing_count > 0);
    assert.match(few.missing[0]?.why ?? "", /too many files/);
    rmSync(join(kept.path, "many"), { recursive: true });

    write("large", "123456");
    write("small", "1");
    await kept.take({ bounds: { file_bytes: 5 } });
    assert.deepEqual((await kept.restore()).missing, [
      { path: "/workspace/large", why: "it was not kept: it is too large" },
    ]);
    await kept.take({ bounds: { bytes: 6 } });
    assert.deepEqual((await kept.restore()).missing, [
      { path: "/workspace/small", why: "it was not kept: all files together are too large" },
    ]);
    mkdirSync(join(kept.path, "1/2/3"), { recursive: true });
    await kept.take({ bounds: { depth: 2 } });
    assert.deepEqual((await kept.restore()).missing, [
      { path: "/workspace/1/2/3", why: "it was not kept: it lies too deep" },
    ]);
  });

  test("is kept up to the bound of what its links name, too", async () => {
    for (let i = 0; i < 100; i++) symlinkSync("x".repeat(1_000), join(kept.path, `link${i}`));
    await kept.take({ bounds: { path_bytes: 50_000 } });
    const { path, missing_count } = await kept.restore();
    assert.deepEqual([readdirSync(path).length, missing_count], [50, 50]);
  });

  test("has a manifest that is not much longer than its names, whatever is in them", async () => {
    const name = "\x01".repeat(250);
    for (let i = 0; i < 100; i++) write(`${name}${i}`, "");
    await kept.take();
    const [manifest = 0] = blobsIn(kept.storagePath)
      .map((sha256) => readFileSync(join(kept.storagePath, "blobs", sha256.slice(0, 2), sha256)))
      .flatMap((bytes) => (bytes.length > 0 ? [gunzipSync(bytes).length] : []));
    assert.ok(manifest < 100 * (name.length * 1.5 + 250), String(manifest));
    assert.equal(treeOf((await kept.restore()).path), treeOf(kept.path));
  });

  test("has a file kept as it is that is written through a mapping, which shows in no time", async () => {
    write("db", Buffer.alloc(4_096, "a"));
    const program =
      "import mmap,sys; f=open('db','r+b'); m=mmap.mmap(f.fileno(),0)\nfor line in sys.stdin: m[0:1]=line[0:1].encode(); print(flush=True)";
    const python = spawn("python3", ["-c", program], { cwd: kept.path, stdio: ["pipe", "pipe", "inherit"] });
    const settled_ms = limits.checkpoint_settled_ms;
    for (const letter of ["b", "c"]) {
      python.stdin.write(`${letter}\n`);
      await once(python.stdout, "data");
      await kept.take({ bounds: { settled_ms } });
    }
    python.stdin.end();
    await once(python, "exit");
    assert.equal(readFileSync(join((await kept.restore()).path, "db"), "latin1")[0], "c");
  });

  test("may be deeper than a path can name", async () => {
    sh('n=$(printf "%0200d" 0); for i in $(seq 40); do mkdir $n && cd $n; done; echo deep > file');
    await kept.take();
    const { path, missing_count } = await kept.restore();
    assert.equal(missing_count, 0);
    const file = execFileSync("bash", ["-c", "while cd 0* 2>/dev/null; do :; done; cat file"], { cwd: path });
    assert.equal(file.toString(), "deep\n");
    for (const folder of [path, kept.path]) execFileSync("rm", ["-rf", folder]);
  });

  const another = "it was not kept: it was being replaced by something else";
  for (const [what, before, after, why] of [
    ["a file becomes a link", "echo 1 > x", "ln -sf $PWD/../host/secret x", another],
    ["a folder becomes a link", "mkdir x; echo 1 > x/secret", "rm -r x; ln -s $PWD/../host x", another],
    ["a link becomes a file", "ln -s nowhere x", "rm x; echo 1 > x", another],
    ["a file becomes a folder", "echo 1 > x", "rm x; mkdir x", "it was not kept: it is a folder by now"],
    ["a file becomes a pipe", "echo 1 > x", "rm x; mkfifo x", "it was not kept: it is a named pipe"],
  ] as const) {
    test(`has nothing outside of it read when ${what} right after it was looked at`, async (t) => {
      mkdirSync(join(kept.folder.path, "host"));
      writeFileSync(join(kept.folder.path, "host/secret"), "secret");
      sh(before);
      let swapped = false;
      const stop = afterEachLook((path) => {
        if (!path.endsWith("/x") || swapped) return;
        swapped = true;
        sh(after);
      });
      t.after(stop);
      await kept.take();
      stop();
      const { missing, path } = await kept.restore();
      assert.deepEqual(missing, [{ path: "/workspace/x", why }]);
      assert.deepEqual(readdirSync(path), []);
    });
  }

  test("has programs that run as somebody else come back as programs", async () => {
    write("su", "x");
    chmodSync(join(kept.path, "su"), 0o6755);
    await kept.take();
    assert.equal(statSync(join((await kept.restore()).path, "su")).mode & 0o7777, 0o755);
  });

  test("has a file that is written to while it is read come back, and said", async () => {
    write("log", Buffer.alloc(3 << 20, "a"));
    const { storage } = kept;
    const begin = async () => {
      const batch = await storage.begin();
      return {
        ...batch,
        put(content: AsyncIterable<Buffer>) {
          appendFileSync(join(kept.path, "log"), "more");
          return batch.put(content);
        },
      };
    };
    await kept.take({ storage: { ...storage, begin } });
    const { missing, path } = await kept.restore();
    assert.equal(statSync(join(path, "log")).size, 3 << 20);
    assert.deepEqual(missing, [
      { path: "/workspace/log", why: "it is there, but was being written when the checkpoint was made" },
    ]);
    assert.equal((await kept.take()).files_read, 1);
  });
});

test("a checkpoint that is given up leaves none, and what it has read is not read again", async () => {
  for (let i = 0; i < 600; i++) write(`f${String(i).padStart(3, "0")}`, `content ${i}`);
  const stop = new AbortController();
  let count = 0;
  const { storage } = kept;
  const begin = async () => {
    const batch = await storage.begin();
    return {
      ...batch,
      put(content: AsyncIterable<Buffer>) {
        count += 1;
        if (count === 400) stop.abort();
        return batch.put(content);
      },
    };
  };
  await assert.rejects(kept.take({ storage: { ...storage, begin }, signal: stop.signal }), {
    name: "AbortError",
  });
  assert.deepEqual(await checkpointsOf(storage, session_id), []);
  assert.deepEqual(readdirSync(join(kept.storagePath, "incoming")), []);
  assert.equal((await kept.take()).files_read, 201);
  assert.equal((await kept.restore()).missing_count, 0);
});
