import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const documents = globSync(["*.md", "docs/*.md", "bench/*.md"], { cwd: root });
const textOf = (path: string) => readFileSync(join(root, path), "utf8");

/** As GitHub makes them of headings. */
const anchorsIn = (text: string): Set<string> =>
  new Set(
    [...text.replaceAll(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );

test("what the documents name is there", () => {
  assert.ok(documents.length > 10);
  const missing = documents.flatMap((document) =>
    [...textOf(document).matchAll(/`((?:src|test|scripts|bench|docs)\/[\w./-]+)`/g)]
      .map(([, path = ""]) => path)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${document}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test("the links of the documents lead somewhere", () => {
  const broken = documents.flatMap((document) =>
    [...textOf(document).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
      ([link, path = "", anchor]) => {
        const target = path === "" ? document : join(dirname(document), path);
        if (!existsSync(join(root, target))) return [`${document}: ${link}`];
        if (anchor === undefined || statSync(join(root, target)).isDirectory()) return [];
        return anchorsIn(textOf(target)).has(anchor) ? [] : [`${document}: ${link}`];
      },
    ),
  );
  assert.deepEqual(broken, []);
});
