import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { SetupLine } from "../src/hands/driver.ts";
import { failureOf, host, skip, specOf, without } from "../src/hands/layers/testing-host.ts";
import { sh, testSpec } from "../src/hands/testing.ts";

test("what fails says the installer's words to all who wait, leaves nothing, and is tried again", {
  skip,
}, async (t) => {
  const { prepare, inSandbox, registries, layers, left } = await host(t);
  registries.deb({ name: "drover-first", version: "1", files: { "usr/share/drover/first": "1" } });
  const spec = specOf({ apt: ["drover-first", "drover-later"] });
  const failures = await Promise.all([prepare(spec), prepare(spec)].map(failureOf));
  assert.equal(failures[0], failures[1]);
  assert.deepEqual(failures[0]?.stage, { type: "packages", manager: "apt" });
  assert.match(
    failures[0]?.message ?? "",
    /^apt could not install drover-first, drover-later: .*Unable to locate package drover-later/s,
  );
  assert.doesNotMatch(failures[0]?.message ?? "", /(?!\n)\p{Cc}/u);
  await assert.rejects(inSandbox(spec, "true"), /not installed on this host/);
  assert.deepEqual([...layers(), ...left()], []);
  registries.deb({ name: "drover-later", version: "1", files: { "usr/share/drover/later": "2" } });
  await prepare(spec);
  assert.equal(await inSandbox(spec, "cat /usr/share/drover/*"), "12");
});

test("what the host has installed itself can be replaced by a newer version", { skip }, async (t) => {
  const { prepare, inSandbox, registries } = await host(t);
  const path = "usr/share/doc/hostname/copyright";
  registries.deb({ name: "hostname", version: "999", files: { [path]: "newer\n", "usr/bin/drover-x": "" } });
  const spec = specOf({ apt: ["hostname"] });
  await prepare(spec);
  assert.equal(await inSandbox(spec, `cat /${path}`), "newer");
  assert.notEqual(readFileSync(`/${path}`, "utf8"), "newer\n");
});

test("of too many layers those go that were not used for longest, and that no sandbox uses", {
  skip,
}, async (t) => {
  const { prepare, driver, registries, layers, left } = await host(t, {
    layers: { bytes_max: 1, unused_ms: 0 },
  });
  const specs = ["a1", "b1", "c1"].map((name) => {
    registries.deb({ name, version: "1", files: { [`usr/share/${name}`]: name } });
    return specOf({ apt: [name] });
  });
  const [first = testSpec, second = testSpec, third = testSpec] = specs;
  await prepare(first);
  const sandbox = await driver.provision("sbx_used", first);
  await prepare(second);
  await prepare(third);
  // The one that is used, and the newest.
  assert.equal(layers().length, 2);
  assert.equal(await sh(sandbox, "cat /usr/share/a1"), "a1");
  await sandbox.destroy();
  assert.deepEqual(left(), []);
});

test("a host that ends while packages are installed leaves nothing of them", { skip }, async (t) => {
  const { prepare, driver, registries, layers, left } = await host(t);
  registries.deb({
    name: "drover-slow",
    version: "1",
    files: { "opt/x": "" },
    postinst: "echo begun; sleep 1000",
  });
  const said: SetupLine[] = [];
  const ended = failureOf(prepare(specOf({ apt: ["drover-slow"] }), said));
  while (!said.some(({ line }) => line === "begun")) await new Promise((resolve) => setTimeout(resolve, 5));
  await driver.close();
  assert.match((await ended).message, /shutting down/);
  assert.deepEqual([...layers(), ...left()], []);
});

const built = [
  { manager: "cargo", program: "cargo", name: "drover-crate@1.2.0", installs: "drover-crate" },
  { manager: "gem", program: "gem", name: "drover_gem:1.2.0", installs: "drover_gem" },
  { manager: "go", program: "go", name: "drover.test/module@v1.2.0", installs: "module" },
];
for (const { manager, program, name, installs } of built) {
  test(`a package of ${manager} is built and installed, and every sandbox has its program`, {
    skip: skip || without(program),
  }, async (t) => {
    const { prepare, inSandbox, registries, layers, left } = await host(t);
    if (manager === "cargo") registries.crate("drover-crate", "1.2.0", "of cargo");
    if (manager === "gem") registries.gem("drover_gem", "1.2.0", "of gem");
    if (manager === "go") registries.module("drover.test/module", "v1.2.0", "of go");
    const spec = specOf({ [manager]: [name] });
    await prepare(spec);
    assert.equal(await inSandbox(spec, installs), `of ${manager}`);
    assert.equal(layers().length, 1);
    assert.deepEqual(left(), []);
  });
}

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
