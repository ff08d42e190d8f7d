import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { appears } from "../hands/testing-host.ts";
import { expandBraces } from "./glob.ts";
import { textOf, toolBench } from "./testing.ts";

const { skip, says, fails, sh, use, workspace } = await toolBench();

test("braces are expanded as a shell would", () => {
  assert.deepEqual(expandBraces("a/{b,c}/*.{ts,js}").toSorted(), [
    "a/b/*.js",
    "a/b/*.ts",
    "a/c/*.js",
    "a/c/*.ts",
  ]);
  assert.deepEqual(expandBraces("{a}"), ["{a}"]);
  assert.deepEqual(new Set(expandBraces("{a,b}{a,b}{a,b}{a,b}{a,b}")).size, 32);
  assert.ok(expandBraces("{a,b}".repeat(40)).length <= 128);
});

describe("search", { skip }, () => {
  before(async () => {
    await says("bash", {
      command:
        "mkdir -p /workspace/s/sub && cd /workspace/s && echo 'alpha 42' > old.ts && echo beta > sub/new.ts && echo gamma > 'sub/a b.js' && touch -d '2020-01-01' old.ts",
    });
  });

  test("finds files by pattern, the newest first", async () => {
    assert.equal(
      await says("glob", { pattern: "**/*.ts", path: "/workspace/s" }),
      "/workspace/s/sub/new.ts\n/workspace/s/old.ts",
    );
    assert.equal(await says("glob", { pattern: "sub/*.{js,py}", path: "s/" }), "s/sub/a b.js");
    assert.equal(await says("glob", { pattern: "s/*.ts" }), "s/old.ts");
    assert.equal(await says("glob", { pattern: "*.none", path: "/workspace/s" }), "No files match.");
    assert.equal(
      await says("glob", { pattern: "$(touch /workspace/pwned)", path: "/workspace/s" }),
      "No files match.",
    );
    assert.match(await fails("glob", { pattern: "*", path: "/nowhere" }), /No such file/);
  });

  test("names the newest hundred files and how many more there are", async () => {
    await sh("mkdir many; cd many; for i in $(seq 250); do touch -d @$((1600000000 + i)).5 f$i; done");
    const lines = (await says("glob", { pattern: "many/*" })).split("\n");
    assert.deepEqual(lines.slice(0, 2), ["many/f250", "many/f249"]);
    assert.equal(lines.length, 101);
    assert.equal(lines.at(-1), "[150 more, older than these: narrow the pattern or the path.]");
  });

  test("finds hidden files, but .git only when it is named", async () => {
    await sh(
      "mkdir -p h/.git h/.conf; touch h/.git/config h/.conf/a h/.env h/.gitignore h/b; touch -d 2001-01-01 h/b",
    );
    const found = async (pattern: string, path = "h") =>
      (await says("glob", { pattern, path })).split("\n").toSorted();
    assert.deepEqual(await found("**/*"), ["h/.conf/a", "h/.env", "h/.gitignore", "h/b"]);
    assert.deepEqual(await found("**"), ["h/.conf/a", "h/.env", "h/.gitignore", "h/b"]);
    assert.deepEqual(await found(".git/*"), ["h/.git/config"]);
    assert.deepEqual(await found("*", "h/.git"), ["h/.git/config"]);
    assert.deepEqual(await found("{b,*}"), ["h/.env", "h/.gitignore", "h/b"]);
    assert.deepEqual(await found("/workspace/h/b"), ["/workspace/h/b"]);
  });

  test("survives odd names, loops of links and what is no file", async () => {
    await sh(
      "mkdir -p o/d; cd o; touch -- -n $'new\\nline' 'a  b'; ln -s ../d d/loop; ln -s gone broken; mkfifo pipe",
    );
    const found = await says("glob", { pattern: "**", path: "o" });
    assert.deepEqual(found.split("\n").toSorted(), ['"o/new\\nline"', "o/-n", "o/a  b"]);
    assert.match(await fails("glob", { pattern: "a\0b" }), /NUL/);
    assert.match(await fails("glob", { pattern: `{${",".repeat(100_000)}` }), /4096/);
    await sh("mkdir ./-; : >./-/f");
    assert.equal(await says("glob", { pattern: "*", path: "-" }), "/workspace/-/f");
    await sh("rm -r ./-");
  });

  test("that could not look at everything does not say that nothing is there", async () => {
    // As one that the kernel has ended for the memory that it took.
    await sh(
      "mkdir -p ~/.local/bin; printf '#!/bin/sh\\nkill -9 $$\\n' >~/.local/bin/sort; chmod +x ~/.local/bin/sort",
    );
    assert.match(await fails("glob", { pattern: "**" }), /too much to look through/);
    await sh("rm ~/.local/bin/sort");
  });

  test("that is stopped says so, after the whole lines that it found", async () => {
    // More than the pipe and grep's buffer hold follows the matches: when it is written, they were printed.
    const feed = "yes here | head -n 500; yes nothing | head -c 1000000; touch fed; sleep 1000";
    await says("bash", { command: `cd /workspace; mkfifo feed; { ${feed}; } >feed &` });
    const interrupt = new AbortController();
    const asked = use("grep", { pattern: "here", path: "/workspace/feed" }, interrupt.signal);
    await appears(join(workspace, "fed"));
    interrupt.abort();
    const result = await asked;
    const lines = textOf(result).split("\n");
    assert.equal(result.is_error, true);
    assert.equal(lines.pop(), "[The search was interrupted before it had seen everything.]");
    assert.ok(lines.length > 100);
    assert.deepEqual(
      lines,
      lines.map((_, i) => `/workspace/feed:${i + 1}:here`),
    );
  });
});

/** What is searched by ripgrep and by grep must come out the same: pattern, where, and the answer. */
const table: [pattern: string, path: string, answer: string][] = [
  ["alpha \\d+", "g", "g/a.ts:1:alpha 42\ng/sub/b.ts:2:alpha 7\n[1 binary file was left out.]"],
  ["alpha", "g/sub/b.ts", "g/sub/b.ts:2:alpha 7"],
  ["alpha", "./g/sub", "g/sub/b.ts:2:alpha 7"],
  ["nothing at all", "g", "No matches.\n[1 binary file was left out.]"],
  ["(?i)ALPHA(?= 4)", "g", "g/a.ts:1:alpha 42\n[1 binary file was left out.]"],
  ["^\\s*$", "g/a.ts", "g/a.ts:2:"],
  ["\\bü\\w+\\b", "g/utf8", "g/utf8:1:über naïve ١٢"],
  ["\\d+$", "g/utf8", "g/utf8:1:über naïve ١٢"],
  ["n.{2}ve", "g/utf8", "g/utf8:1:über naïve ١٢"],
  ["caf", "g/latin1", "g/latin1:1:caf\ufffd au lait"],
  ["secret", "g", "g/.hidden/x:1:secret\ng/ignored.log:1:secret\n[1 binary file was left out.]"],
  ["end$", "g/dos", "No matches."],
  ["-e", "g/dashes", "g/dashes/-f:1:-e"],
  ["odd", "g/names", '"g/names/a\\nb:1:":1:odd\ng/names/c d:1:odd'],
  ["tail", "g/late", "g/late:20001:tail \0 x"],
  ["config", "g", "No matches.\n[1 binary file was left out.]"],
  ["config", "g/.git", "g/.git/c:1:config"],
  ["linked", "g/link", "g/link/x:1:secret linked"],
];
const tree = `
mkdir -p g/sub g/.git g/.hidden g/dashes g/names linked; cd g
printf 'alpha 42\\n\\nbeta\\n' >a.ts; printf 'x\\nalpha 7' >sub/b.ts; printf 'alpha 1\\0alpha' >bin
printf 'über naïve ١٢\\n' >utf8; printf 'caf\\351 au lait\\n' >latin1; printf 'the end\\r\\n' >dos
echo secret >.hidden/x; echo secret >ignored.log; echo '*.log' >.gitignore; echo .hidden >.ignore; echo config >.git/c
printf '%s\\n' -e >dashes/-f; echo odd >$'names/a\\nb:1:'; echo odd >'names/c d'; : >empty
{ yes line | head -n 20000; printf 'tail \\0 x\\n'; } >late
mkfifo pipe; ln -s . loop; ln -s ../linked link; echo 'secret linked' >../linked/x; ln -s a.ts alias; chmod 000 empty`;

for (const engine of ["ripgrep", "grep"] as const) {
  describe(`grep by ${engine}`, { skip }, () => {
    before(async () => {
      await sh(`[ -d g ] || { ${tree}\n}`);
      // Before the host's own in the PATH, and without Perl's expressions.
      if (engine === "grep")
        await sh(
          "mkdir -p ~/.local/bin; printf '#!/bin/sh\\nexit 1\\n' >~/.local/bin/rg; chmod +x ~/.local/bin/rg",
        );
    });

    for (const [pattern, path, answer] of table) {
      test(`finds ${pattern} in ${path}`, async (t) => {
        if (engine === "ripgrep" && (await use("bash", { command: "rg --pcre2-version" })).is_error) {
          return t.skip("there is no ripgrep with Perl's expressions on this machine");
        }
        assert.equal(await says("grep", { pattern, path }), answer);
      });
    }

    test("says what is wrong with a pattern or a path, also where there is nothing to search", async () => {
      await sh("mkdir -p nothing; mkdir -p closed; : >closed/f; chmod 000 closed/f");
      for (const path of ["nothing", "g"]) {
        assert.match(await fails("grep", { pattern: "(", path }), /parenthes/);
      }
      assert.match(await fails("grep", { pattern: "a\nb", path: "g" }), /holds a line break/);
      assert.match(
        await fails("grep", { pattern: "a", path: "nowhere" }),
        /nowhere: no such file or directory/,
      );
      assert.match(await fails("grep", { pattern: "a", path: "/dev/zero" }), /is not a regular file/);
      assert.match(await fails("grep", { pattern: "a", path: "closed/f" }), /permission denied/);
      assert.match(await fails("grep", { pattern: "a\0b" }), /NUL/);
      assert.match(await fails("grep", { pattern: "a".repeat(5_000) }), /4096/);
    });

    test("says so where a pattern takes too long", async () => {
      await sh("echo 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' >hard");
      assert.equal(
        await says("grep", { pattern: "^(a+)+$", path: "hard" }),
        "No matches.\n[In some lines the pattern takes too long to match, so not all was searched: make it simpler.]",
      );
    });

    test("answers in the order of the names", async () => {
      await sh("mkdir -p order; cd order; for n in z k b Z y c a x; do echo here >$n; done");
      const files = (await says("grep", { pattern: "here", path: "order" })).split("\n");
      assert.equal(files.map((line) => line.at("order/".length)).join(""), "Zabckxyz");
    });

    test("takes a dash for the name that it is", async () => {
      await sh("mkdir -p dash; cd dash; echo here >-; cp ./- ../-");
      assert.equal(await says("grep", { pattern: "here", path: "./-" }), "/workspace/-:1:here");
      assert.equal(await says("grep", { pattern: "here", path: "dash" }), "dash/-:1:here");
      await sh("rm ./-");
    });

    test("is bounded, in lines, in their length and in all", async () => {
      await sh(
        "mkdir -p big; cd big; seq 100000 >lines; head -c 3000000 /dev/zero | tr '\\0' x >long; truncate -s 10G sparse",
      );
      const lines = (await says("grep", { pattern: "7", path: "big/lines" })).split("\n");
      assert.equal(lines.length, 1_001);
      assert.equal(lines.at(-1), "[There is more: narrow the pattern or the path.]");
      const long = await says("grep", { pattern: "xx", path: "big" });
      assert.match(
        long,
        /^big\/long:1:x{2000} \[\.\.\. the line is cut here.*\n\[1 binary file was left out\.\]$/,
      );
      await sh(
        "for i in $(seq 200); do head -c 2500 /dev/zero | tr '\\0' y; echo; done >big/wide; rm big/sparse",
      );
      const wide = await says("grep", { pattern: "y", path: "big/wide" });
      assert.ok(wide.length <= 100_000);
      assert.match(wide, /\[There is more/);
    });
  });
}
