import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import { toolBench } from "./testing.ts";

const { skip, says, fails } = await toolBench();

describe("files", { skip }, () => {
  test("are written, read in ranges and edited", async () => {
    await says("write", { file_path: "deep/er/a.txt", content: "one\ntwo\nthree\n" });
    assert.equal(
      await says("read", { file_path: "/workspace/deep/er/a.txt" }),
      "     1\tone\n     2\ttwo\n     3\tthree",
    );
    assert.equal(await says("read", { file_path: "deep/er/a.txt", view_range: [2, 2] }), "     2\ttwo");
    assert.equal(
      await says("read", { file_path: "deep/er/a.txt", view_range: [2, 0] }),
      "     2\ttwo\n     3\tthree",
    );
    await says("edit", { file_path: "deep/er/a.txt", old_string: "two", new_string: "2 $& \\1" });
    assert.equal(
      await says("read", { file_path: "deep/er/a.txt" }),
      "     1\tone\n     2\t2 $& \\1\n     3\tthree",
    );
  });

  test("with names made to confuse a shell are only names", async () => {
    for (const name of ["-n", "a b", "$(touch /workspace/pwned)", "'\"`;", "ü\n\tx"]) {
      await says("write", { file_path: `odd/${name}`, content: "mine" });
      assert.equal(await says("read", { file_path: `odd/${name}` }), "     1\tmine");
    }
    assert.match(await fails("read", { file_path: "pwned" }), /no such file/);
  });

  test("are edited whatever their names", async () => {
    for (const name of ["back\\slash", "\\0101", "new\nline", "-n", " a  b "]) {
      const file_path = `odd/${name}`;
      await says("write", { file_path, content: "old" });
      await says("edit", { file_path, old_string: "old", new_string: "new" });
      assert.equal(await says("read", { file_path }), "     1\tnew");
    }
  });

  test("are those that are named: a dash, a name that ends in newlines, the longest one", async () => {
    for (const file_path of [
      "-",
      "./-",
      "lines\n\n",
      "in\n/lines\n",
      "dot.",
      "n".repeat(255),
      "ü".repeat(127),
    ]) {
      await says("write", { file_path, content: "old" });
      await says("edit", { file_path, old_string: "old", new_string: "new" });
      assert.equal(await says("read", { file_path }), "     1\tnew");
    }
    assert.equal(
      await says("bash", { command: "cd /workspace; ls -bd ./- lines* in* dot*" }),
      "./-\ndot.\nin\\n\nlines\\n\\n",
    );
    assert.match(await fails("write", { file_path: "n".repeat(256), content: "" }), /File name too long/);
    assert.match(await fails("write", { file_path: "x/".repeat(3_000), content: "" }), /4096/);
    for (const file_path of ["~/notes", "~"]) {
      assert.match(await fails("write", { file_path, content: "" }), /~ stands for nothing here/);
    }
  });

  test("that are read-only are left as they are", async () => {
    await says("bash", { command: "cd /workspace; echo kept >kept; chmod 444 kept" });
    assert.match(
      await fails("write", { file_path: "kept", content: "" }),
      /kept: permission denied: .*read-only/,
    );
    assert.match(
      await fails("edit", { file_path: "kept", old_string: "kept", new_string: "" }),
      /kept: permission denied/,
    );
    assert.equal(await says("read", { file_path: "kept" }), "     1\tkept");
  });

  test("are left as they are when the disk is full", async () => {
    await says("write", { file_path: "/tmp/full", content: "before" });
    await says("bash", { command: "head -c 1G /dev/zero >/tmp/filler; true" });
    assert.match(
      await fails("write", { file_path: "/tmp/full", content: "after".repeat(100_000) }),
      /No space left on device/,
    );
    assert.equal(await says("read", { file_path: "/tmp/full" }), "     1\tbefore");
    assert.equal(await says("bash", { command: "ls -A /tmp; rm /tmp/f*" }), "filler\nfull");
  });

  test("that may not be read are not empty", async () => {
    await says("bash", { command: "cd /workspace; echo secret > closed; chmod 000 closed" });
    assert.match(await fails("read", { file_path: "closed" }), /closed: permission denied/);
    assert.match(
      await fails("read", { file_path: "closed", view_range: [1, 2] }),
      /closed: permission denied/,
    );
  });

  test("keep their mode and their links when they are replaced", async () => {
    await says("bash", { command: "cd /workspace; echo '#!/bin/sh' > run; chmod 755 run; ln -s run link" });
    await says("write", { file_path: "link", content: "#!/bin/sh\necho ran\n" });
    assert.equal(
      await says("bash", { command: "cd /workspace; ./run; readlink link; ls | grep -c drover || true" }),
      "ran\nrun\n0",
    );
  });

  test("are written where a link leads, be it into a folder that is missing", async () => {
    await says("bash", {
      command: "cd /workspace; ln -s far/away/file dangling; ln -s round about; ln -s about round",
    });
    await says("write", { file_path: "dangling", content: "there" });
    assert.equal(await says("read", { file_path: "/workspace/far/away/file" }), "     1\tthere");
    assert.equal(await says("bash", { command: "readlink dangling" }), "far/away/file");
    await says("write", { file_path: "absent/../near", content: "here" });
    assert.equal(await says("read", { file_path: "near" }), "     1\there");
    assert.match(await fails("write", { file_path: "about", content: "" }), /link that leads back to itself/);
    assert.match(
      await fails("write", { file_path: "about/file", content: "" }),
      /File exists|Too many levels of symbolic links/,
    );
    assert.match(
      await fails("write", { file_path: "near/file", content: "" }),
      /File exists|Not a directory/,
    );
  });

  test("say what is wrong with them", async () => {
    assert.match(await fails("read", { file_path: "nowhere" }), /nowhere: no such file/);
    assert.match(await fails("read", { file_path: "/workspace" }), /is a directory/);
    assert.match(await fails("write", { file_path: "/workspace", content: "" }), /is a directory/);
    assert.match(
      await fails("write", { file_path: "/usr/x", content: "" }),
      /Read-only file system|Permission denied/,
    );
    await says("bash", { command: "mkfifo /workspace/fifo; head -c 1000 /dev/urandom > /workspace/random" });
    assert.match(await fails("read", { file_path: "fifo" }), /not a regular file/);
    assert.match(await fails("edit", { file_path: "random", old_string: "a", new_string: "b" }), /not UTF-8/);
    assert.match(await fails("read", { file_path: "random", view_range: [3, 2] }), /not a range/);
  });

  test("are edited only where it is clear what is meant", async () => {
    await says("write", { file_path: "e.txt", content: "x x\n" });
    assert.match(
      await fails("edit", { file_path: "e.txt", old_string: "x", new_string: "y" }),
      /occurs 2 times/,
    );
    assert.match(
      await fails("edit", { file_path: "e.txt", old_string: "z", new_string: "y" }),
      /does not occur/,
    );
    assert.match(
      await says("edit", { file_path: "e.txt", old_string: "x", new_string: "y", replace_all: true }),
      /2 occurrences/,
    );
    assert.equal(await says("read", { file_path: "e.txt" }), "     1\ty y");
  });

  test("that are long are cut, and say how to read on", async () => {
    await says("bash", { command: "seq 1 100000 > /workspace/long" });
    const text = await says("read", { file_path: "long" });
    assert.ok(text.length <= limits.tool_output_chars_max);
    const [, next] = /it has 100000 lines\. Read on with view_range \[(\d+), 0\]\.\]$/.exec(text) ?? [];
    assert.match(text, new RegExp(`\\n +${Number(next) - 1}\t${Number(next) - 1}\n`));
    const rest = await says("read", { file_path: "long", view_range: [Number(next), Number(next)] });
    assert.equal(rest, `${next?.padStart(6)}\t${next}`);
  });
});
