import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SetupLine } from "../src/hands/driver.ts";
import { ociArchive } from "../src/hands/images/archive/testing-archives.ts";
import { openImages } from "../src/hands/images/images.ts";
import { importImage } from "../src/hands/images/import.ts";
import { programsLayer } from "../src/hands/images/testing-image.ts";
import { failureOf, host, skip, specOf, withNpm, withPip } from "../src/hands/layers/testing-host.ts";
import { testSpec } from "../src/hands/testing.ts";

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
