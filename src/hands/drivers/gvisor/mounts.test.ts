import assert from "node:assert/strict";
import { existsSync, mkdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testFolder } from "../../testing.ts";
import { makeRoot, ofMemory, readBwrapArguments, readOnly } from "./mounts.ts";

test("the parts of a root filesystem are those that bwrap is told of", () => {
  const parts = readBwrapArguments([
    ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--dir", "/etc"],
    ...["--ro-bind-try", "/nowhere", "/etc/nowhere", "--ro-bind-try", "/usr", "/opt"],
  ]);
  assert.deepEqual(parts, {
    mounts: [readOnly("/usr", "/usr"), readOnly("/usr", "/opt")],
    links: [{ path: "/bin", target: "usr/bin" }],
    folders: ["/etc"],
  });
  assert.throws(() => readBwrapArguments(["--bind", "/usr", "/usr"]), /--bind, which is not known here/);
});

test("a root has a place for each mount, unless another mount has it", () => {
  const folder = testFolder();
  const [etc, hosts, root] = ["etc", "hosts", "root"].map((name) => join(folder.path, name));
  assert.ok(etc && hosts && root);
  mkdirSync(etc);
  writeFileSync(hosts, "");
  makeRoot(root, {
    mounts: [
      readOnly(etc, "/etc"),
      readOnly(hosts, "/etc/hosts"),
      readOnly(hosts, "/run/init"),
      ofMemory("/tmp", 1),
    ],
    links: [{ path: "/bin", target: "usr/bin" }],
    folders: ["/mnt/session/uploads"],
  });
  assert.ok(statSync(join(root, "etc")).isDirectory());
  assert.equal(existsSync(join(root, "etc/hosts")), false);
  assert.ok(statSync(join(root, "run/init")).isFile());
  assert.ok(statSync(join(root, "tmp")).isDirectory());
  assert.ok(existsSync(join(root, "mnt/session/uploads")));
  assert.equal(readlinkSync(join(root, "bin")), "usr/bin");
  folder.remove();
});
