import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { ociArchive } from "../../src/hands/images/archive/testing-archives.ts";
import { openImages } from "../../src/hands/images/images.ts";
import { importImage } from "../../src/hands/images/import.ts";
import { programsLayer } from "../../src/hands/images/testing-image.ts";
import { failureOf, host, skip as hostSkip, specOf } from "../../src/hands/layers/testing-host.ts";
import { testSpec } from "../../src/hands/testing.ts";
import { python } from "./rig.ts";

const skip = hostSkip || (!existsSync(python) && `the attempts need ${python}`);

/** A host on which a package with such a script was installed, or why it was not. */
async function install(t: TestContext, postinst: string, options: Parameters<typeof host>[1] = {}) {
  const made = await host(t, options);
  made.registries.deb({ name: "drover-hostile", version: "1", files: { "opt/drover/data": "" }, postinst });
  const spec = specOf({ apt: ["drover-hostile"] });
  return { ...made, spec, install: () => made.prepare(spec) };
}

const processesWith = (mark: string) =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark);
    } catch {
      return false;
    }
  });

describe("what a package leaves behind", { skip }, () => {
  test("of processes: none that outlives its installation", async (t) => {
    const mark = `outliving-${process.pid}`;
    const script = `setsid bash -c 'trap "" TERM HUP; while :; do echo x >>/opt/drover/late; sleep 0.01; done' ${mark} >/dev/null 2>&1 </dev/null &
      until [[ -s /opt/drover/late ]]; do sleep 0.01; done`;
    const { install: now } = await install(t, script);
    await now();
    assert.deepEqual(processesWith(mark), []);
  });

  test("of a host that is closed meanwhile: nothing", async (t) => {
    const mark = `endless-${process.pid}`;
    const made = await install(
      t,
      `echo begun; exec bash -c 'trap "" TERM; while :; do sleep 1; done' ${mark}`,
    );
    const begun = Promise.withResolvers<void>();
    const said = {
      push({ line }: { line: string }) {
        if (line === "begun") begun.resolve();
        return 0;
      },
    };
    const failed = failureOf(made.prepare(made.spec, said));
    await begun.promise;
    await made.driver.close();
    assert.match((await failed).message, /shutting down/);
    assert.deepEqual(processesWith(mark), []);
    assert.deepEqual([...made.layers(), ...made.left()], []);
  });

  test("of bytes: no more than it may, be they where nobody looks", async (t) => {
    const script = `mkdir /opt/drover/closed && head -c 40M /dev/zero >/opt/drover/closed/big && chmod 0 /opt/drover/closed`;
    const disk = { bytes_max: 300 << 20 };
    const fits = await install(t, script, { installers: { disk } });
    await fits.install();
    const made = await install(t, script.replace("40M", "400M"), { installers: { disk } });
    assert.match((await failureOf(made.install())).message, /needs more than 300 MiB of the host's disk/);
    assert.deepEqual([...made.layers(), ...made.left()], []);
  });

  test("of files: not more than a host can count", async (t) => {
    const script = `cd /opt/drover && ${python} -I -S -c 'for n in range(9000): open(str(n), "w")'`;
    const made = await install(t, script, { installers: { disk: { files_max: 25_000 } } });
    assert.match((await failureOf(made.install())).message, /more than 25,000 files/);
    assert.deepEqual([...made.layers(), ...made.left()], []);
  });

  test("of room on the host's disk: enough for the others, though no file has a name", async (t) => {
    const script =
      "exec 3>/opt/drover/unnamed; rm /opt/drover/unnamed; while :; do head -c 1M /dev/zero >&3; sleep 1; done";
    const made = await install(t, script, { installers: { disk: { free_bytes_min: 2 ** 60 } } });
    assert.match((await failureOf(made.install())).message, /host's disk would have been left free/);
    assert.deepEqual([...made.layers(), ...made.left()], []);
  });

  test("of folders: none that lie too deep to be looked at", async (t) => {
    const program = `import os\nos.chdir("/opt/drover")\nfor _ in range(60): os.mkdir("d" * 200); os.chdir("d" * 200)`;
    const made = await install(t, `${python} -I -S -c '${program}'`);
    assert.match((await failureOf(made.install())).message, /folders that lie too deep/);
    assert.deepEqual([...made.layers(), ...made.left()], []);
  });

  test("of odd files and of holes in what lies below: nothing that others meet", async (t) => {
    const program = `import os, socket
os.chdir("/opt/drover")
os.symlink("${process.cwd()}", "out"); os.symlink("loop", "loop"); os.mkfifo("pipe"); socket.socket(socket.AF_UNIX).bind("socket")
for name in [b"bad\\xff", b"new\\nline", b"\\x1b]0;title\\x07", b"-rf", b"$(touch hit)"]: open(name, "w")
with open("hole", "w") as hole: hole.truncate(1 << 32)
os.unlink("/usr/bin/env"); os.makedirs("/usr/local/marked")
for mark in ["user.overlay.redirect", "user.overlay.opaque", "trusted.overlay.redirect"]:
    try: os.setxattr("/usr/local/marked", mark, b"/etc")
    except OSError: pass`;
    const made = await install(t, `${python} -I -S -c '${program}'`);
    await made.install();
    assert.equal(
      await made.inSandbox(
        made.spec,
        "ls /usr/bin/env /opt/drover/pipe /opt/drover/socket 2>/dev/null | wc -l",
      ),
      "0",
    );
    assert.equal(await made.inSandbox(testSpec, "ls /usr/bin/env"), "/usr/bin/env");
    assert.equal(
      await made.inSandbox(made.spec, "cat /opt/drover/out/package.json; ls /usr/local/marked"),
      "cat: /opt/drover/out/package.json: No such file or directory",
    );
    const layer = join(made.folder.path, "layers", made.layers()[0] ?? "", "upper");
    const marks = `import os, sys
for top, folders, files in os.walk(os.fsencode(sys.argv[1])):
    for name in os.listxattr(top): print(name)`;
    const found = execFileSync(python, ["-I", "-S", "-c", marks, layer], { encoding: "utf8" });
    // An overlay writes those that programs in it set under other names, where it lets them at all.
    assert.doesNotMatch(found, /\.overlay\.redirect$(?<!overlay\.overlay\.redirect)|security\./m);
  });
});

/** An image whose package manager is the package. */
async function withImage(t: TestContext, script: (outside: string) => string) {
  const made = await host(t);
  const outside = join(made.folder.path, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "a secret of the host", { mode: 0o644 });
  const content = `#!/bin/bash\n[[ $1 == install ]] || exit 0\n${script(outside)}\n`;
  const archive = join(made.folder.path, "archive.tar");
  const layer = programsLayer([
    { path: "usr/bin/npm", content, mode: 0o755 },
    { path: "usr/bin/ln", content: readFileSync("/usr/bin/ln"), mode: 0o755 },
    { path: "opt/own", content: "own" },
  ]);
  writeFileSync(archive, ociArchive([layer]));
  const quiet = { progress: { begin() {}, passed() {} }, signal: new AbortController().signal };
  await importImage(openImages(made.folder.path), { name: "hostile", archive }, quiet);
  return { ...made, spec: { ...specOf({ npm: ["hostile"] }), image: "hostile" } };
}

test("links in the place of an image's folders lead to nothing outside of the sandboxes that have it", {
  skip,
}, async (t) => {
  const { prepare, inSandbox, spec } = await withImage(
    t,
    (outside) => `mv /opt /opt.own && ln -s ${outside} /opt && ln -s / /srv`,
  );
  await prepare(spec);
  assert.equal(
    await inSandbox(spec, "cat /opt/secret; cat /opt.own/own; ls /srv/usr/bin/npm"),
    "cat: /opt/secret: No such file or directory\nown/srv/usr/bin/npm",
  );
});
