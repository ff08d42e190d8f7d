import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import { startGitServer } from "../../test/fakes/git-server.ts";
import { limits } from "../limits.ts";
import { createReach } from "../net/reach.ts";
import { type RepositoryFailure, refusalOf } from "./failures.ts";
import { createRepositories, type Fetched, type Wanted } from "./fetch.ts";
import { runGit } from "./git.ts";
import { openWorkingCopies } from "./working-copies.ts";

const server = await startGitServer();
const folder = mkdtempSync(join(tmpdir(), "drover-repositories-"));
const token = "ghp_0123456789abcdefghij";
const signal = new AbortController().signal;
let root = "";
let n = 0;

after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  n += 1;
  root = join(folder, String(n));
});

const repositories = (hosts = [{ url: server.url }], allow_private_hosts = ["127.0.0.1"]) =>
  createRepositories({
    hosts,
    reach: createReach({ allow_private_hosts, own: () => [] }),
    copies: openWorkingCopies(root),
  });

const wanted = (path: string, more: Partial<Wanted> = {}): Wanted => ({
  url: `${server.url}/${path}`,
  token: null,
  checkout: null,
  ...more,
});

/** What of a bundle a clone of it has. */
function cloneOf({ bundle, ref, commit }: Fetched) {
  const clone = mkdtempSync(join(folder, "clone-"));
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: clone, encoding: "utf8", stdio: "pipe" });
  git("init", "--quiet");
  git("fetch", "--quiet", bundle, ref);
  git("checkout", "--quiet", commit);
  return { clone, commits: git("rev-list", "--count", commit).trim(), fsck: git("fsck", "--full") };
}

async function fetched(what: Wanted, from = repositories()) {
  const lines: string[] = [];
  const result = await from.fetch(what, { signal, onLine: (line) => lines.push(line) }, async (found) => ({
    ...found,
    ...cloneOf(found),
  }));
  assert.ok(!("type" in result), `it failed: ${JSON.stringify(result)}`);
  return { ...result, lines };
}

async function failure(what: Wanted, from = repositories()): Promise<RepositoryFailure> {
  const result = await from.fetch(what, { signal, onLine() {} }, async () => null);
  assert.ok(result !== null, "it was fetched");
  assert.deepEqual(globSync(join(root, "in-work/*")), []);
  return result;
}

const packsSent = () => server.requests.filter(({ path }) => path.endsWith("/git-upload-pack")).length;

describe("a repository", () => {
  test("is fetched by its default branch, a branch, or a commit, with its history", async () => {
    const first = server.create("team/project", { "README.md": "one" }, (git) => {
      git("branch", "-f", "feature/a", "main");
    });
    const second = server.change("team/project", { "README.md": "two" });
    const main = await fetched(wanted("team/project"));
    assert.deepEqual([main.branch, main.commit, main.commits], ["main", second, "2"]);
    assert.equal(readFileSync(join(main.clone, "README.md"), "utf8"), "two");
    const branch = await fetched(wanted("team/project", { checkout: { type: "branch", name: "feature/a" } }));
    assert.deepEqual([branch.branch, branch.commit], ["feature/a", first]);
    const commit = await fetched(wanted("team/project", { checkout: { type: "commit", sha: first } }));
    assert.deepEqual([commit.branch, commit.commit, commit.commits], [null, first, "1"]);
    assert.deepEqual(globSync(join(root, "in-work/*")), []);
  });

  test("is sent once, however many want it, and then what is new of it", async () => {
    server.create("team/shared", { a: "1" });
    const from = repositories();
    const before = packsSent();
    await Promise.all([1, 2, 3].map(() => fetched(wanted("team/shared"), from)));
    const once = packsSent() - before;
    // Each asks what there is; one of them, what it lacks.
    await fetched(wanted("team/shared"), repositories());
    assert.equal(packsSent() - before - once, 1);
    const changed = server.change("team/shared", { a: "2" });
    const again = await fetched(wanted("team/shared"), repositories());
    assert.equal(again.commit, changed);
    assert.ok(
      again.lines.some((line) => /\b3\b.*objects|objects.*\(3\/3\)/.test(line)),
      again.lines.join("\n"),
    );
    assert.equal(globSync(join(root, "kept/*/*")).length, 1);
  });

  test("that is here already is had by those alone who may have it now", async () => {
    server.create("team/private", { secret: "1" });
    server.protect("team/private", token);
    await fetched(wanted("team/private", { token }));
    const anonymous = await failure(wanted("team/private"));
    assert.equal(anonymous.type, "repository_authentication_error");
    assert.match(anonymous.message, /private, or does not exist/);
    const wrong = await failure(wanted("team/private", { token: "ghp_wrong" }));
    assert.equal(wrong.type, "repository_authentication_error");
    server.protect("team/private", null);
    server.behave("team/private", { status: 404 });
    assert.equal((await failure(wanted("team/private", { token }))).type, "repository_not_found_error");
  });

  test("has its token nowhere but in the requests for it", async () => {
    server.create("team/hidden", { a: "1" });
    server.protect("team/hidden", token);
    const { lines } = await fetched(wanted("team/hidden", { token }));
    server.behave("team/hidden", { status: 500 });
    const broken = await failure(wanted("team/hidden", { token }));
    const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
    const kept = globSync(join(root, "**/*"), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    for (const secret of [token, basic])
      for (const text of [...kept, lines.join("\n"), JSON.stringify(broken)])
        assert.ok(!text.includes(secret));
    assert.ok(server.requests.some(({ authorization }) => authorization === `Basic ${basic}`));
  });
});

describe("what a server answers", () => {
  const answers: [number, RepositoryFailure["type"], Record<string, string>?][] = [
    [401, "repository_authentication_error", { "www-authenticate": "Basic" }],
    [403, "repository_forbidden_error"],
    [404, "repository_not_found_error"],
    [410, "repository_not_found_error"],
    [500, "repository_clone_error"],
  ];
  for (const [status, type, headers = {}] of answers)
    test(`${status} is a ${type}`, async () => {
      server.create(`team/answers-${status}`, { a: "1" });
      server.behave(`team/answers-${status}`, { status, headers });
      assert.equal((await failure(wanted(`team/answers-${status}`, { token }))).type, type);
    });

  test("is not followed elsewhere, and nothing is told there", async () => {
    const other = await startGitServer();
    other.create("team/moved", { a: "1" });
    server.create("team/moved", { a: "1" });
    const location = `${other.url}/team/moved/info/refs?service=git-upload-pack`;
    server.behave("team/moved", { status: 301, headers: { location } });
    const { type, message } = await failure(wanted("team/moved", { token }));
    assert.equal(type, "repository_clone_error");
    assert.match(message, /leads elsewhere/);
    assert.deepEqual(other.requests, []);
    await other.close();
  });

  test("a branch or a commit that is not there is a checkout error", async () => {
    server.create("team/some", { a: "1" });
    const branch = await failure(wanted("team/some", { checkout: { type: "branch", name: "none" } }));
    assert.deepEqual(
      [branch.type, branch.message],
      ["repository_checkout_error", "The branch none does not exist."],
    );
    const sha = "0123456789".repeat(4);
    const commit = await failure(wanted("team/some", { checkout: { type: "commit", sha } }));
    assert.equal(commit.type, "repository_checkout_error");
    // Of branches whose names end alike, the one is meant that is named.
    const at = server.change("team/some", {}, (git) => git("branch", "-f", "x/refs/heads/y", "main~1"));
    assert.notEqual(at, "");
    const other = await failure(wanted("team/some", { checkout: { type: "branch", name: "y" } }));
    assert.equal(other.type, "repository_checkout_error");
  });

  test("a connection that breaks off leaves what was kept as it was", async () => {
    server.create("team/cut", { a: "1" });
    await fetched(wanted("team/cut"));
    server.change("team/cut", { a: "2" });
    server.behave("team/cut", "cut");
    assert.equal((await failure(wanted("team/cut"))).type, "repository_clone_error");
    server.behave("team/cut", null);
    assert.equal((await fetched(wanted("team/cut"))).commits, "2");
  });

  test("finds no room: that is said, nothing is left, and it is had when there is room again", {
    skip: process.getuid?.() === 0 ? false : "mounting a small disk needs root",
  }, async (t) => {
    server.create("team/large", { "large.bin": randomBytes(2 << 20).toString("hex") });
    mkdirSync(root, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", root]);
    t.after(() => execFileSync("umount", [root]));
    const filler = join(root, "filler");
    for (const free of [1 << 20, 0]) {
      const { bavail, bsize } = statfsSync(root);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - free));
      assert.deepEqual(await failure(wanted("team/large")), {
        type: "repository_clone_error",
        message: "The server has no room for the repository.",
      });
      rmSync(filler);
    }
    assert.equal((await fetched(wanted("team/large"))).commits, "1");
  });

  test("silence lasts no longer than whoever waits", async () => {
    server.create("team/silent", { a: "1" });
    const stop = new AbortController();
    server.behave("team/silent", { hang: () => stop.abort(new Error("enough")) });
    const waiting = repositories().fetch(
      wanted("team/silent"),
      { signal: stop.signal, onLine() {} },
      async () => null,
    );
    await assert.rejects(waiting, /enough/);
    assert.deepEqual(globSync(join(root, "in-work/*")), []);
  });
});

describe("where repositories may come from", () => {
  test("is neither a private network that nobody has opened, nor a host that nobody has named", async () => {
    server.create("team/closed", { a: "1" });
    const before = server.requests.length;
    const closed = await failure(wanted("team/closed"), repositories([{ url: server.url }], []));
    assert.match(closed.message, /not a public address/);
    const unnamed = await failure(wanted("team/closed"), repositories([{ url: "https://github.com" }]));
    assert.match(unnamed.message, /takes no repositories from/);
    assert.equal(server.requests.length, before);
  });
});

test("a git that would not keep to the address that was judged is asked for nothing", async (t) => {
  server.create("team/old", { a: "1" });
  const bin = mkdtempSync(join(folder, "old-git-"));
  writeFileSync(join(bin, "git"), "#!/bin/sh\necho git version 2.36.1\n", { mode: 0o755 });
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
  });
  process.env.PATH = `${bin}:${PATH}`;
  const { type, message } = await failure(wanted("team/old"));
  assert.deepEqual(
    [type, message],
    ["repository_clone_error", "git version 2.36.1 is too old for repositories: install 2.37 or newer."],
  );
});

describe("what others have made to do harm", () => {
  test("is refused where git knows it for that", async () => {
    server.create("evil/dotgit", { a: "1" }, (git) => {
      const blob = git("rev-parse", "main:a");
      const input = `100644 blob ${blob}\t.git\n`;
      const tree = execFileSync("git", ["mktree"], {
        cwd: git("rev-parse", "--show-toplevel"),
        input,
        encoding: "utf8",
      });
      const commit = git("commit-tree", "-m", "evil", tree.trim());
      git("branch", "-f", "evil", commit);
    });
    const { type, message } = await failure(
      wanted("evil/dotgit", { checkout: { type: "branch", name: "evil" } }),
    );
    assert.equal(type, "repository_clone_error");
    assert.match(message, /hasDotgit|\.git/);
  });

  test("does not come from a server where no git answers, for then nothing would be checked", async () => {
    server.create("evil/files", { a: "1" });
    server.behave("evil/files", "files");
    const { type, message } = await failure(wanted("evil/files"));
    assert.deepEqual([type, /files of the repository alone/.test(message)], ["repository_clone_error", true]);
    assert.deepEqual(
      server.requests.filter(({ path }) => path.startsWith("/evil/files/objects")),
      [],
    );
  });

  test("takes no more memory than git may have, whatever size it claims", async () => {
    const repository = mkdtempSync(join(folder, "claims-"));
    await runGit(["init", "--quiet", "--bare", "."], { folder: repository, signal });
    // A pack of one commit: four bits of its size, and seven in each byte that follows.
    let rest = BigInt(limits.git_memory_bytes_max) >> 4n;
    const size: number[] = [0x90];
    for (; rest > 0n; rest >>= 7n) size.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    const pack = [
      Buffer.from("PACK\0\0\0\x02\0\0\0\x01"),
      Buffer.from(size),
      deflateSync(Buffer.alloc(1_000)),
    ];
    writeFileSync(join(repository, "evil.pack"), Buffer.concat([...pack, Buffer.alloc(20)]));
    const { code, said } = await runGit(["index-pack", "--strict", "evil.pack"], {
      folder: repository,
      signal,
    });
    assert.notEqual(code, 0);
    assert.match(refusalOf(said, { token: null }).message, /takes more memory than this server allows/, said);
  });

  test("is nothing but names: options, very many branches, submodules, filters", async () => {
    server.create("evil/names", { a: "1" }, (git) => {
      const head = git("rev-parse", "main");
      git("update-ref", "refs/heads/--upload-pack=x", head);
      for (let i = 0; i < 300; i += 1) git("update-ref", `refs/heads/many/${i}`, head);
    });
    const odd = await fetched(
      wanted("evil/names", { checkout: { type: "branch", name: "--upload-pack=x" } }),
    );
    assert.equal(odd.branch, "--upload-pack=x");
    server.create("evil/modules", {
      ".gitmodules": `[submodule "x"]\n\tpath = x\n\turl = ${server.url}/team/some\n`,
      ".gitattributes": "* filter=evil\n",
      ".git-hooks/post-checkout": "exit 1",
    });
    const before = server.requests.length;
    await fetched(wanted("evil/modules"));
    assert.ok(server.requests.slice(before).every(({ path }) => path.startsWith("/evil/modules")));
  });
});
