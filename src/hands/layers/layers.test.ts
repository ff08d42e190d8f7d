import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { SetupLine } from "../driver.ts";
import { ociArchive } from "../images/archive/testing-archives.ts";
import { openImages } from "../images/images.ts";
import { importImage } from "../images/import.ts";
import { programsLayer } from "../images/testing-image.ts";
import { testSpec } from "../testing.ts";
import { failureOf, host, skip, specOf, withNpm, withPip } from "./testing-host.ts";

test("packages are installed once, and every sandbox has them, read-only", { skip }, async (t) => {
  const { prepare, inSandbox, registries, layers, left } = await host(t);
  registries.deb({
    name: "drover-hello",
    version: "1.2",
    files: { "usr/bin/drover-hello": "#!/bin/sh\necho hello\n" },
  });
  registries.npm("drover-cow", "2.0.0", {
    "cli.js": "#!/usr/bin/env node\nconsole.log('moo')\n",
    "index.js": "module.exports=42",
  });
  registries.pip("drover_snake", "3.1", "length = 7\n");
  const spec = specOf({
    apt: ["drover-hello=1.2"],
    npm: withNpm ? ["drover-cow@2.0.0"] : [],
    pip: withPip ? ["drover_snake==3.1"] : [],
  });
  const said: SetupLine[] = [];
  await Promise.all([prepare(spec, said), prepare(spec, said)]);
  await prepare(spec, said);
  assert.equal(said.filter(({ line }) => line.startsWith("Setting up drover-hello")).length, 2);
  assert.deepEqual(registries.egress.carried[0]?.network, {
    type: "limited",
    hosts: [],
    package_managers: true,
  });
  assert.equal(await inSandbox(spec, "drover-hello; dpkg-query -W drover-hello"), "hello\ndrover-hello\t1.2");
  if (withNpm)
    assert.equal(await inSandbox(spec, "drover-cow; node -p 'require(\"drover-cow\")'"), "moo\n42");
  if (withPip)
    assert.equal(await inSandbox(spec, "python3 -c 'import drover_snake; print(drover_snake.length)'"), "7");
  assert.equal(
    await inSandbox(spec, "id -un; cat /etc/resolv.conf; ls /usr/bin/env"),
    "agent\n# The sandbox has no network.\n/usr/bin/env",
  );
  const written = ["/usr/x", "/usr/bin/drover-hello", "/etc/x", "/var/lib/x", "/opt/x"];
  assert.equal(
    await inSandbox(spec, written.map((path) => `{ : >>${path}; } 2>/dev/null && echo ${path}`).join("; ")),
    "",
  );
  assert.equal(await inSandbox(testSpec, "drover-hello"), "bash: line 1: drover-hello: command not found");
  assert.equal(layers().length, 1);
  assert.deepEqual(left(), []);
});

/** A package whose installation waits, and what tells when it has begun; where, and how to let it go on. */
async function heldPackage(t: TestContext) {
  const made = await host(t);
  made.registries.deb({
    name: "drover-held",
    version: "1",
    files: { "opt/drover/data": "" },
    postinst: "echo begun; until [[ -e /tmp/go ]]; do sleep 0.02; done",
  });
  const staging = join(made.folder.path, "layers", ".staging");
  const ask = () => {
    const begun = Promise.withResolvers<void>();
    const stop = new AbortController();
    const lines: string[] = [];
    const said = {
      push({ line }: SetupLine) {
        if (line === "begun") begun.resolve();
        return lines.push(line);
      },
    };
    const done = made.prepare(specOf({ apt: ["drover-held"] }), said, stop.signal);
    done.catch(() => {});
    return { begun: begun.promise, done, lines, stop: () => stop.abort() };
  };
  const letGo = () => {
    for (const name of readdirSync(staging)) writeFileSync(join(staging, name, "tmp", "go"), "");
  };
  return { ...made, staging, ask, letGo };
}

test("a layer is made once for two who wait for it, and goes on when the first of them leaves", {
  skip,
}, async (t) => {
  const { ask, staging, letGo, layers, left } = await heldPackage(t);
  const [first, second] = [ask(), ask()];
  await Promise.all([first.begun, second.begun]);
  first.stop();
  await assert.rejects(first.done, /nobody waits/);
  assert.equal(readdirSync(staging).length, 1);
  letGo();
  await second.done;
  assert.equal(second.lines.filter((line) => line === "begun").length, 1);
  assert.equal(layers().length, 1);
  assert.deepEqual(left(), []);
});

test("what is being made is ended when nobody waits any more, and made anew for the next", {
  skip,
}, async (t) => {
  const { ask, staging, letGo, layers, left } = await heldPackage(t);
  const first = ask();
  await first.begun;
  const [begun] = readdirSync(staging);
  first.stop();
  await assert.rejects(first.done, /nobody waits/);
  const next = ask();
  await next.begun;
  assert.notDeepEqual(readdirSync(staging), [begun]);
  assert.equal(readdirSync(staging).length, 1);
  letGo();
  await next.done;
  assert.equal(layers().length, 1);
  assert.deepEqual(left(), []);
});

test("a root filesystem without the package manager is named, and what to do", { skip }, async (t) => {
  const { prepare, folder } = await host(t);
  const file = join(folder.path, "archive.tar");
  writeFileSync(file, ociArchive([programsLayer()]));
  const quiet = { progress: { begin() {}, passed() {} }, signal: new AbortController().signal };
  await importImage(openImages(folder.path), { name: "small", archive: file }, quiet);
  const failed = await failureOf(prepare({ ...specOf({ npm: ["left-pad"] }), image: "small" }));
  assert.deepEqual(failed.stage, { type: "packages", manager: "npm" });
  assert.match(failed.message, /the image small has no npm: .*drover image build <name> --include npm/);
  const unknown = await failureOf(prepare({ ...specOf({ npm: ["left-pad"] }), image: "large" }));
  assert.match(unknown.message, /has no image large; it has small/);
});

test("a package is root for itself alone, and leaves nothing that would make others so", {
  skip,
}, async (t) => {
  const { prepare, inSandbox, registries, folder, layers } = await host(t);
  registries.deb({
    name: "drover-hostile",
    version: "1",
    files: { "usr/bin/drover-mine": "#!/bin/sh\nid -u\n", "opt/drover/data": "data" },
    postinst: `
      set -e
      id -u >/opt/drover/id
      [[ $(ulimit -u) == 1024 && $(ulimit -c) =~ ^[01]$ ]]
      chown daemon:daemon /opt/drover/data
      chmod 6755 /usr/bin/drover-mine
      chmod 600 /opt/drover/data
      cp /bin/true /usr/bin/drover-true && chmod 4755 /usr/bin/drover-true
      ln -sf ${folder.path} /etc/hostname
      mkfifo /opt/drover/pipe
      { cat /etc/shadow ${folder.path}/* /root/.bashrc; ls /home /proc/1/root/home; } >/opt/drover/seen 2>/dev/null || true
      for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do { : >$path; } 2>/dev/null && echo $path >>/opt/drover/open; done || true
      { mount -t tmpfs none /mnt || unshare -U true || mknod /opt/drover/null c 1 3; } 2>/dev/null && touch /opt/drover/open || true`,
  });
  const spec = specOf({ apt: ["drover-hostile"] });
  await prepare(spec);
  assert.equal(
    await inSandbox(spec, "cat /opt/drover/id /opt/drover/data; drover-mine; ls /opt/drover"),
    "0\ndata1000\ndata\nid\nseen",
  );
  assert.equal(await inSandbox(spec, "cat /opt/drover/seen /etc/hostname"), "sandbox");
  const upper = join(folder.path, "layers", layers()[0] ?? "", "upper");
  assert.equal(execFileSync("find", [upper, "-perm", "/6000"], { encoding: "utf8" }), "");
});
