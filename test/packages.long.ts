import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
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
  while (!said.some(({ line }) => line === "begun")) await new Promise(setImmediate);
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
