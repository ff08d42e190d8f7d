import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import { mountPathOf, mountPathProblem, pathsCollide, uploadsRoot } from "./mount-path.ts";
import { resourcesParams } from "./session-resources.ts";

/** What people and attackers build paths from. */
const component = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "",
    "etc",
    "workspace",
    "mnt",
    "session",
    "uploads",
    "data.csv",
    "a\\..\\b",
    "\0",
    "\n",
  ),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("x".repeat(255), "x".repeat(256), "é".repeat(128)),
);
const path = fc
  .tuple(
    fc.constantFrom("", "/", `${uploadsRoot}/`, "/mnt/session/", "//"),
    fc.array(component, { maxLength: 8 }),
  )
  .map(([start, components]) => start + components.join("/"));

describe("the path of a mounted file", () => {
  test("is beneath the root, whatever was asked for, or is refused", () => {
    fc.assert(
      fc.property(path, (text) => {
        if (mountPathProblem(text) !== null) return;
        const mounted = mountPathOf(text);
        assert.ok(mounted.startsWith(`${uploadsRoot}/`) && !mounted.endsWith("/"));
        assert.equal(posix.normalize(mounted), mounted, "nothing in it leads elsewhere");
        assert.ok(Buffer.byteLength(mounted) <= limits.mount_path_bytes_max);
        for (const name of mounted.split("/")) assert.ok(Buffer.byteLength(name) <= 255);
        assert.doesNotMatch(mounted, /[\p{Cc}\\]/u);
        assert.equal(Buffer.from(mounted).toString(), mounted);
        assert.equal(mountPathProblem(mounted), null, "what is answered can be sent");
        assert.equal(mountPathOf(mounted), mounted);
      }),
      { numRuns: 3_000 },
    );
  });

  const placed: [string, string][] = [
    ["policy.yaml", "policy.yaml"],
    ["/data.csv", "data.csv"],
    ["/mnt/session/uploads/data.csv", "data.csv"],
    ["reports/2026/q3 final.xlsx", "reports/2026/q3 final.xlsx"],
    ["/reports/...", "reports/..."],
    ["etc/passwd", "etc/passwd"],
    ["/etcetera", "etcetera"],
    ["données/été.csv", "données/été.csv"],
  ];
  for (const [asked, beneath] of placed)
    test(`${asked} is at ${beneath}`, () => {
      assert.equal(mountPathProblem(asked), null);
      assert.equal(mountPathOf(asked), `${uploadsRoot}/${beneath}`);
    });

  const refused: [string, RegExp][] = [
    ["", /empty names/],
    ["/", /empty names/],
    [uploadsRoot, /files are mounted under/],
    [`${uploadsRoot}/`, /empty names/],
    [`${uploadsRoot}/../x`, /"\.\."/],
    ["a/../b", /"\.\."/],
    ["./a", /"\."/],
    ["a//b", /empty names/],
    ["a/", /empty names/],
    ["/mnt/skills/x", /files are mounted under/],
    ["/mnt/session/uploadsx/y", /files are mounted under/],
    ["/workspace/data.csv", /files are mounted under/],
    ["/etc/passwd", /files are mounted under/],
    ["/etc", /files are mounted under/],
    ["a\0b", /control characters/],
    ["a\u0085b", /control characters/],
    ["a\\b", /backslashes/],
    ["\ud800", /well-formed/],
    ["é".repeat(128), /no name of more than 255 bytes/],
    ["x/".repeat(600), /at most 1024 bytes/],
  ];
  for (const [asked, says] of refused)
    test(`${JSON.stringify(asked.slice(0, 30))} is refused`, () =>
      assert.match(mountPathProblem(asked) ?? "", says));
});

describe("the files of one session", () => {
  const at = (...paths: (string | undefined)[]) =>
    resourcesParams.safeParse(
      paths.map((mount_path) => ({ type: "file", file_id: "file_1", ...(mount_path && { mount_path }) })),
    );

  test("may not be at one path, nor one beneath another", () => {
    const refused = [
      at("a", "/a"),
      at(undefined, undefined),
      at("b", "a", "a/b"),
      at("a/b/c", "a"),
      at("file_1", undefined),
    ];
    for (const answer of refused) {
      assert.equal(answer.success, false);
      assert.deepEqual(answer.error?.issues.at(0)?.path.slice(1), ["mount_path"]);
    }
    for (const answer of [at("a/b", "a/c"), at("a", "ab", "a.b"), at()]) assert.equal(answer.success, true);
  });

  test("collide in either order, and only where one is the other's folder or itself", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 1, maxLength: 3 }),
        fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 1, maxLength: 3 }),
        (one, other) => {
          const shared = Math.min(one.length, other.length);
          const expected = one.slice(0, shared).join("/") === other.slice(0, shared).join("/");
          assert.equal(pathsCollide(one.join("/"), other.join("/")), expected);
          assert.equal(pathsCollide(other.join("/"), one.join("/")), expected);
        },
      ),
    );
  });

  test("are 500 at most", () => {
    const many = (n: number) => at(...Array.from({ length: n }, (_, i) => `f${i}`));
    assert.equal(many(500).success, true);
    assert.match(many(501).error?.issues[0]?.message ?? "", /500 files at most/);
  });
});
