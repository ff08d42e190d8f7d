import assert from "node:assert/strict";
import { test } from "node:test";
import { isBranchName, isCommitSha, repositoryName, repositoryUrlProblem } from "./repository-url.ts";
import { resourcesParams } from "./session-resources.ts";

const hosts = ["https://github.com", "https://git.example.com/base"];

test("a repository is an owner's, at a known host", () => {
  for (const url of ["https://github.com/owner/repo.js", "https://git.example.com/base/a-b/c_d"])
    assert.equal(repositoryUrlProblem(url, hosts), null, url);
  assert.equal(repositoryName("https://github.com/owner/repo.js"), "repo.js");
  const refused: [string, RegExp][] = [
    ["https://github.com.evil.example/a/b", /must be https:\/\/github\.com\/owner\/repository or/],
    ["https://git.example.com/a/b", /must be/],
    ["https://github.com/a/b.git", /without \.git/],
    ["https://github.com/a/b/", /must be/],
    ["https://github.com/a", /must be/],
    ["https://github.com/../b", /must be/],
    ["https://github.com/a/%2e%2e", /must be/],
    ["https://github.com/a/b?c", /must be/],
    ["https://github.com/a/b#c", /must be/],
    ["https://github.com/a/b\n", /must be/],
    ["https://user:pw@github.com/a/b", /belongs into authorization_token/],
    ["http://github.com/a/b", /must be/],
    ["git@github.com:a/b", /SSH/],
    ["ssh://git@github.com/a/b", /SSH/],
    ["git://github.com/a/b", /SSH/],
    ["file:///etc", /must be/],
    ["ext::sh -c id", /must be/],
    ["--upload-pack=id", /must be/],
  ];
  for (const [url, says] of refused) assert.match(repositoryUrlProblem(url, hosts) ?? "", says, url);
  assert.match(repositoryUrlProblem("https://github.com/a/b", []) ?? "", /names no repositories\.hosts$/);
});

test("branches have the names that git lets them have", () => {
  for (const name of ["main", "feature/x", "a.b-c_d", "ünïcode", "v1.0"]) assert.ok(isBranchName(name), name);
  const wrong = [
    "",
    "-x",
    "/a",
    "a/",
    "a..b",
    "a b",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[",
    "a\\b",
    "@",
    "HEAD",
  ];
  for (const name of [
    ...wrong,
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "a@{1}",
    "a//b",
    "a.",
    "a\0",
    "a\n",
    "\ud800",
  ])
    assert.ok(!isBranchName(name), JSON.stringify(name));
  assert.ok(isCommitSha("0123456789abcdef".repeat(4)) && isCommitSha("a".repeat(40)));
  for (const sha of ["a".repeat(39), "A".repeat(40), "main", `${"a".repeat(40)}\n`])
    assert.ok(!isCommitSha(sha));
});

test("repositories are beneath /workspace, and not below each other", () => {
  const given = (...places: (string | null)[]) =>
    resourcesParams.safeParse(
      places.map((mount_path, i) => ({
        type: "github_repository",
        url: `https://github.com/o/r${i}`,
        mount_path,
      })),
    ).error?.issues[0];
  assert.equal(given(null, "/workspace/a/b", "c", "/workspace/a/c"), undefined);
  for (const path of [
    "/workspace",
    "/workspace/",
    "/etc",
    "../x",
    "/workspace/../x",
    "a//b",
    "a\\b",
    ".drover-x",
    "",
  ])
    assert.deepEqual(given(path)?.path, [0, "mount_path"], path);
  assert.match(given("a", "/workspace/a")?.message ?? "", /collides with resources\.0/);
  assert.match(given("a/b", "a")?.message ?? "", /collides with resources\.0/);
  const own = resourcesParams.safeParse([
    { type: "github_repository", url: "https://github.com/o/.drover-x" },
  ]);
  assert.equal(own.success, false);
});
