import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { bubblewrap } from "../drivers/bubblewrap.ts";
import { sh, testFolder, testSpec } from "../testing.ts";
import { ociArchive, tar } from "./archive/testing-archives.ts";
import { openImages } from "./images.ts";
import { importImage } from "./import.ts";
import { programsLayer } from "./testing-image.ts";

const quiet = { progress: { begin() {}, passed() {} }, signal: new AbortController().signal };
const base = programsLayer([
  { path: "etc/motd", content: "made in a test" },
  { path: "etc/passwd", content: "root:x:0:0::/root:/bin/bash\n" },
  { path: "etc/resolv.conf", type: "link", target: "/run/resolv.conf" },
  { path: "usr/bin/su", content: "#!/bin/sh\nid -u\n", mode: 0o4755 },
  { path: "opt/tool/bin/hello", content: "#!/bin/sh\necho hello from the image\n", mode: 0o755 },
  { path: "root/secret", content: "s", mode: 0o600 },
]);
const archive = ociArchive([base], {
  env: ["PATH=/opt/tool/bin:/usr/bin:/bin", "TOOL_HOME=/opt/tool", "HOME=/root", "bad name=1"],
  pack: (layer) => gzipSync(layer, { level: 1 }),
});

function host(t: TestContext) {
  const folder = testFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, "archive.tar");
  writeFileSync(file, archive);
  chmodSync(file, 0o600);
  return { folder, file, images: openImages(folder.path), driver: bubblewrap({ data_dir: folder.path }) };
}

test("a sandbox is made of an image, and of nothing of the host's own", async (t) => {
  const { images, file, driver } = host(t);
  const { image } = await importImage(images, { name: "tools/small:1", archive: file }, quiet);
  assert.deepEqual(image.env.TOOL_HOME, "/opt/tool");
  assert.deepEqual(
    images.list().map(({ name }) => name),
    ["tools/small:1"],
  );
  const sandbox = await driver.provision("sbx_image", { ...testSpec, image: "tools/small:1" });
  t.after(() => sandbox.destroy());
  assert.equal(await sh(sandbox, "hello; cat /etc/motd"), "hello from the image\nmade in a test");
  assert.equal(
    await sh(sandbox, "echo $TOOL_HOME $HOME $PATH"),
    "/opt/tool /home/agent /home/agent/.local/bin:/opt/tool/bin:/usr/bin:/bin",
  );
  assert.match(await sh(sandbox, "id -un; id -u; su"), /^agent\n(\d+)\n\1$/);
  assert.equal(await sh(sandbox, "cat /etc/resolv.conf /root/secret"), "# The sandbox has no network.\ns");
  assert.equal(await sh(sandbox, "ls /usr/bin/python3 /usr/lib/node_modules 2>/dev/null"), "");
  const tries = ["x >/etc/x", "x >/opt/x", "x >/usr/bin/hello", "x >/var/x", "x >/x"];
  assert.equal(await sh(sandbox, tries.map((each) => `echo ${each} && echo written`).join("; ")), "");
  assert.equal(await sh(sandbox, "echo mine >/var/tmp/a && cat /tmp/a"), "mine");
});

test("an image begins as nobody, and with nothing that the host's parent has left open", async (t) => {
  const { images, folder } = host(t);
  const file = join(folder.path, "hostile.tar");
  const says = "id -u; readlink /proc/self/fd/*";
  const real = { content: readFileSync("/bin/bash"), mode: 0o755 };
  const wrapper = (next: string) => ({
    content: `#!/usr/bin/real-bash\n{ ${says}; } >>/workspace/begun 2>/dev/null\n${next}`,
    mode: 0o755,
  });
  const hostile = programsLayer([
    { path: "usr/bin/real-bash", ...real },
    { path: "usr/bin/bash", ...wrapper('exec /usr/bin/real-bash "$@"\n') },
    { path: "usr/bin/setpriv", ...wrapper('while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n') },
    { path: "usr/bin/readlink", content: readFileSync("/usr/bin/readlink"), mode: 0o755 },
  ]);
  writeFileSync(file, ociArchive([hostile], {}));
  await importImage(images, { name: "hostile", archive: file }, quiet);
  const script = `import { bubblewrap } from ${JSON.stringify(import.meta.resolve("../drivers/bubblewrap.ts"))};
    const driver = bubblewrap({ data_dir: ${JSON.stringify(folder.path)} });
    const sandbox = await driver.provision("sbx_begun", ${JSON.stringify({ ...testSpec, image: "hostile" })});
    await sandbox.destroy();
    await driver.close();`;
  const open = openSync(file, "r");
  const node = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "pipe", ...Array(6).fill("ignore"), open],
    encoding: "utf8",
  });
  closeSync(open);
  assert.equal(node.status, 0, node.stderr);
  const [uid, ...links] = readFileSync(join(folder.path, "sandboxes/sbx_begun/workspace/begun"), "utf8")
    .trim()
    .split("\n");
  assert.notEqual(uid, "0");
  assert.deepEqual(
    links.filter(
      (link) => !/^(socket:|\/workspace\/begun$|\/dev\/null$|\/proc\/|\/usr\/bin\/bash$)/.test(link),
    ),
    [],
  );
});

test("everything in an image is readable, and changes nobody's user", async (t) => {
  const { images, file } = host(t);
  const { image } = await importImage(images, { name: "small", archive: file }, quiet);
  const found = execFileSync("find", [image.rootfs, "!", "-type", "l", "-printf", "%m\n"], {
    encoding: "utf8",
  });
  assert.deepEqual([...new Set(found.trim().split("\n"))].sort(), ["644", "755"]);
});

test("what cannot be unpacked leaves nothing, and neither does an interrupt", async (t) => {
  const { images, file, folder } = host(t);
  const left = () =>
    ["", ".staging", ".trash"].flatMap((name) => readdirSync(join(folder.path, "images", name)));
  writeFileSync(file, ociArchive([tar([{ path: "a/../../b" }])]));
  await assert.rejects(importImage(images, { name: "bad", archive: file }, quiet), /leads out of the image/);
  writeFileSync(file, ociArchive([tar([{ path: "a" }])]));
  await assert.rejects(importImage(images, { name: "bad", archive: file }, quiet), /no \/bin\/bash/);
  writeFileSync(file, archive);
  const stop = new AbortController();
  const progress = {
    begin: (what: string) => void (what.startsWith("unpacking") && stop.abort()),
    passed() {},
  };
  await assert.rejects(
    importImage(images, { name: "bad", archive: file }, { progress, signal: stop.signal }),
  );
  assert.deepEqual(left().sort(), [".staging", ".trash"]);
});

test("of two imports of one name one comes to be", async (t) => {
  const { images, file } = host(t);
  const both = [1, 2].map(() => importImage(images, { name: "small", archive: file }, quiet));
  const ends = await Promise.allSettled(both);
  assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(images.list().length, 1);
  assert.throws(() => images.stage("small"), /there is an image small already/);
});

test("an image that a sandbox uses stays; an unknown one is refused with those that are there", async (t) => {
  const { images, file, driver } = host(t);
  const unknown = driver.provision("sbx_a", { ...testSpec, image: "other" });
  await assert.rejects(unknown, /has no image other; it has none\. `drover image build other`/);
  await importImage(images, { name: "small", archive: file }, quiet);
  const sandbox = await driver.provision("sbx_a", { ...testSpec, image: "small" });
  await assert.rejects(images.remove("small"), /a sandbox uses the image small/);
  assert.equal(await sh(sandbox, "hello"), "hello from the image");
  await sandbox.destroy();
  await images.remove("small");
  assert.deepEqual(images.list(), []);
  await assert.rejects(images.remove("small"), /has no image small/);
});

test("what a killed process has left is removed", async (t) => {
  const { images, folder } = host(t);
  const left = join(folder.path, "images", ".staging", "999999999.1");
  mkdirSync(left, { recursive: true });
  const staging = images.stage("small");
  while (existsSync(left)) await new Promise((resolve) => setTimeout(resolve, 5));
  await staging.discard();
});
