import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Mount, mountRoots } from "../wire.ts";
import { placeOf, type Tree, treesOf } from "./paths.ts";

const mount = (path: string) => ({ path, sha256: "0".repeat(64), bytes: 1, executable: false });

describe("the path of a mount", () => {
  const refused: [string, RegExp][] = [
    ["/etc/passwd", /beneath none of the folders/],
    ["/mnt/skills", /beneath none of the folders/],
    ["/mnt/skillsx/a", /beneath none of the folders/],
    ["mnt/skills/a", /beneath none of the folders/],
    ["", /beneath none of the folders/],
    ["/mnt/session/outputs/a", /beneath none of the folders/],
    ["/mnt/session/uploads/../outputs/a", /no plain path/],
    ["/mnt/skills/..", /no plain path/],
    ["/mnt/skills/./a", /no plain path/],
    ["/mnt/skills//a", /no plain path/],
    ["/mnt/skills/a/", /no plain path/],
    ["/mnt/skills/a\0b", /no plain path/],
    ["/mnt/skills/a\nb", /no plain path/],
    ["/mnt/skills/\ud800", /no plain path/],
    [`/mnt/skills/${"x".repeat(256)}`, /too long/],
    [`/mnt/skills/${"é".repeat(128)}`, /too long/],
    [`/mnt/skills/${"x/".repeat(600)}y`, /too long/],
  ];
  for (const [path, says] of refused)
    test(`${JSON.stringify(path.slice(0, 40))} is refused`, () =>
      assert.throws(() => placeOf({ path }), says));

  test("leads to names beneath its root and nowhere else, or is refused", () => {
    const name = fc.oneof(fc.constantFrom("..", ".", "", "a", "uploads", "\0", "x".repeat(255)), fc.string());
    const path = fc
      .tuple(fc.constantFrom(...Object.values(mountRoots), "/mnt", ""), fc.array(name, { maxLength: 6 }))
      .map(([root, names]) => [root, ...names].join("/"));
    fc.assert(
      fc.property(path, (path) => {
        let place: ReturnType<typeof placeOf>;
        try {
          place = placeOf({ path });
        } catch {
          return;
        }
        const { root, names } = place;
        assert.equal(posix.join(mountRoots[root], ...names), path);
        assert.ok(names.length > 0 && names.every((name) => !name.includes("/")));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a list of mounts", () => {
  test("is a tree for each root", () => {
    const [a, b, c] = ["/mnt/skills/x/a", "/mnt/skills/x/y/b", "/mnt/session/uploads/c"].map(mount);
    assert.ok(a && b && c);
    const y: Tree = new Map([["b", b]]);
    const x: Tree = new Map<string, Mount | Tree>([["a", a]]).set("y", y);
    assert.deepEqual(treesOf([a, b, c]), {
      uploads: new Map([["c", c]]),
      skills: new Map([["x", x]]),
    });
  });

  test("has no path twice, and no file where it needs a folder", () => {
    const list =
      (...paths: string[]) =>
      () =>
        treesOf(paths.map((path) => mount(`/mnt/skills/${path}`)));
    assert.throws(list("a", "a"), /"\/mnt\/skills\/a" is mounted twice/);
    assert.throws(list("a/b", "a"), /"\/mnt\/skills\/a" is mounted twice/);
    assert.throws(
      list("a", "a/b/c"),
      /"\/mnt\/skills\/a" is a file, and "\/mnt\/skills\/a\/b\/c" lies in it/,
    );
    assert.doesNotThrow(list("a", "ab", "__proto__", "constructor/x"));
  });
});
