import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { linesOf, whyNotFound } from "./nearest-lines.ts";
import { toolBench } from "./testing.ts";

const { skip, says, fails, sh } = await toolBench();

describe("edit", { skip }, () => {
  test("names the lines of several occurrences", async () => {
    await says("write", { file_path: "many.txt", content: "x = 1\ny = 2\nx = 1\n\nx = 1; x = 1\n" });
    assert.match(
      await fails("edit", { file_path: "many.txt", old_string: "x = 1", new_string: "x = 2" }),
      /occurs 4 times in many\.txt, from lines 1, 3, 5, 5\. Give more of the text around it, or set replace_all/,
    );
  });

  test("says what differs where only whitespace does, and what is nearest otherwise", async () => {
    await says("write", { file_path: "code.py", content: "def run():\n\tif ready:\n\t\tstart()\n\n# end\n" });
    assert.equal(
      await fails("edit", {
        file_path: "code.py",
        old_string: "    if ready:\n        start()",
        new_string: "pass",
      }),
      `old_string does not occur in code.py. It is there but for whitespace. The file has:
     2\t\tif ready:
     3\t\t\tstart()
Its line 1 begins with 1 tab there, and with 4 spaces in old_string.`,
    );
    assert.match(
      await fails("edit", { file_path: "code.py", old_string: "\tif readdy:\n", new_string: "" }),
      /The nearest lines are:\n {5}1\tdef run\(\):\n {5}2\t\tif ready:\n/,
    );
    assert.match(
      await fails("edit", { file_path: "code.py", old_string: "     5\t# end", new_string: "" }),
      /begins with line numbers/,
    );
    assert.match(
      await fails("edit", { file_path: "code.py", old_string: "zzzz qqqq", new_string: "" }),
      /No line of the file is like it/,
    );
  });

  test("keeps CRLF where all lines end so, and the mode", async () => {
    await sh("printf 'a\\r\\nb\\r\\nc\\r\\n' >dos; chmod 751 dos");
    await says("edit", { file_path: "dos", old_string: "a\nb\n", new_string: "1\n2\n3\n" });
    assert.equal(
      await sh("od -An -c dos | tr -d ' \\n'; stat -c ' %a' dos"),
      "1\\r\\n2\\r\\n3\\r\\nc\\r\\n 751",
    );
    await says("edit", { file_path: "dos", old_string: "2\r\n3\r\n", new_string: "two\r\n" });
    assert.equal(await sh("od -An -c dos | tr -d ' \\n'"), "1\\r\\ntwo\\r\\nc\\r\\n");
    await sh("printf 'a\\r\\nb\\n' >mixed");
    await says("edit", { file_path: "mixed", old_string: "b\n", new_string: "c\nd\n" });
    assert.equal(await sh("od -An -c mixed | tr -d ' \\n'"), "a\\r\\nc\\nd\\n");
  });

  test("and write leave alone what is no regular file, and what is too large", async () => {
    await sh("mkfifo pipe; truncate -s 10G sparse");
    for (const file_path of ["pipe", "/dev/null"]) {
      assert.match(
        await fails("edit", { file_path, old_string: "a", new_string: "b" }),
        /not a regular file/,
      );
      assert.match(await fails("write", { file_path, content: "" }), /not a regular file/);
    }
    assert.match(
      await fails("edit", { file_path: "sparse", old_string: "a", new_string: "b" }),
      /sparse is larger than 8 MiB/,
    );
    await sh("yes | head -c 1000000 >grows");
    const explosion = {
      file_path: "grows",
      old_string: "y",
      new_string: "y".repeat(2_000),
      replace_all: true,
    };
    assert.match(
      await fails("edit", explosion),
      /grows would have 1000500000 bytes, and no more than 32 MiB/,
    );
    assert.match(await fails("write", { file_path: "a\0b", content: "" }), /NUL/);
    assert.match(
      await fails("edit", { file_path: "missing", old_string: "a", new_string: "b" }),
      /missing: no such file/,
    );
  });
});

test("the lines of occurrences are counted, up to a number", () => {
  assert.deepEqual(linesOf("a\nb a\n\na", "a"), ["1", "2", "4"]);
  assert.equal(linesOf("a\n".repeat(100), "a").at(-1), "...");
  assert.deepEqual(linesOf("x\n\ny\n\nz", "\n\n"), ["1", "3"]);
});

test("a text that ends in whitespace where the file does not is told so", () => {
  assert.match(whyNotFound("one \ntwo\n", "one\ntwo"), /Its line 1 ends with whitespace only there/);
  assert.match(whyNotFound("one\ntwo\n", "one  \ntwo"), /Its line 1 ends with whitespace only in old_string/);
});

test("a text of whitespace alone is like no line, and one that begins with it is shown where it would stand", () => {
  assert.match(whyNotFound("a\nb\n", "\n\n\n"), /No line of the file is like it/);
  assert.match(
    whyNotFound("a\n}\nconst value = 1;\n", "}\nconst valuee = 2;"),
    /nearest lines are:\n {5}1\ta\n {5}2\t}\n {5}3\tconst value/,
  );
});
