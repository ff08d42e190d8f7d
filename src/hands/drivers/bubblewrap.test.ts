import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { longTest } from "../../../test/harness/long.ts";
import { driverSpec } from "../driver.spec.ts";
import { sh, testFolder, testSpec } from "../testing.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { userNamespacesForbidden as forbidden, withoutUserNamespaces } from "./testing-namespaces.ts";

const asRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

driverSpec((data_dir) => bubblewrap({ data_dir }));

test("an ordinary user has the same sandboxes", {
  skip: (!asRoot && "this is that user") || (forbidden && "needs user namespaces"),
}, async (t) => {
  const env = { PATH: process.env.PATH, TMPDIR: "/tmp" };
  const reach = spawn(process.execPath, ["-e", "0"], { ...nobody, cwd: "/", env, stdio: "ignore" });
  const reachable = await once(reach, "exit").then(
    ([code]) => code === 0,
    () => false,
  );
  if (!reachable) return t.skip("nobody cannot reach this node binary");
  const file = fileURLToPath(import.meta.url);
  const run = spawn(process.execPath, [file], {
    ...nobody,
    cwd: "/",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, "exit")]);
  assert.equal(code, 0, output + errors);
});

for (const name of ["bubblewrap", "hostile"]) {
  const skip = (!asRoot && "needs root") || (forbidden && "this is such a place");
  longTest(
    `where user namespaces are forbidden, root has the same sandboxes: ${name}`,
    { skip },
    async () => {
      const file = fileURLToPath(import.meta.resolve(`./${name}.test.ts`));
      const { code, output } = await withoutUserNamespaces([process.execPath, file]);
      assert.equal(code, 0, output);
    },
  );
}

test("says by which way sandboxes come up", {
  skip: (!asRoot || forbidden) && "needs a root who may make them",
}, async () => {
  const folder = testFolder();
  const script = `import { bubblewrap } from ${JSON.stringify(import.meta.resolve("./bubblewrap.ts"))};
    console.log(await bubblewrap({ data_dir: ${JSON.stringify(folder.path)} }).describe());`;
  const node = [process.execPath, "--input-type=module-typescript", "-e", script];
  assert.match((await withoutUserNamespaces(node)).output, /begun by root/);
  assert.match(await bubblewrap({ data_dir: folder.path }).describe(), /in user namespaces, each with/);
  folder.remove();
});

test("each sandbox has a host user of its own, and keeps it", { skip: !asRoot && "needs root" }, async () => {
  const folder = testFolder();
  const owner = (id: string) => statSync(join(folder.path, "sandboxes", id, "workspace")).uid;
  const uids = { first: 1_950_000_000, count: 2 };
  const driver = bubblewrap({ data_dir: folder.path, uids });
  const a = await driver.provision("sbx_a", testSpec);
  const b = await driver.provision("sbx_b", testSpec);
  assert.deepEqual([owner("sbx_a"), owner("sbx_b")], [uids.first, uids.first + 1]);
  await assert.rejects(driver.provision("sbx_c", testSpec), /user ids of the sandboxes are taken/);
  await a.destroy();
  await b.destroy();
  await driver.forget("sbx_a");

  const restarted = bubblewrap({ data_dir: folder.path, uids });
  const c = await restarted.provision("sbx_c", testSpec);
  const again = await restarted.provision("sbx_b", testSpec);
  assert.deepEqual([owner("sbx_b"), owner("sbx_c")], [uids.first + 1, uids.first]);
  assert.equal(await sh(again, "touch /workspace/mine && echo written"), "written");
  await c.destroy();
  await again.destroy();
  for (const id of ["sbx_b", "sbx_c"]) await restarted.forget(id);
  folder.remove();
});

test("says what to change when the data directory is out of reach", {
  skip: (!asRoot && "needs root") || (forbidden && "root makes its own way there"),
}, async () => {
  const folder = testFolder();
  const shut = join(folder.path, "shut");
  mkdirSync(shut);
  const driver = bubblewrap({ data_dir: join(shut, "data") });
  chmodSync(shut, 0o700);
  assert.match((await driver.check()) ?? "", /every user may pass/);
  folder.remove();
});

test("says what to change where bubblewrap is missing, old or forbidden", async () => {
  const folder = testFolder();
  const bin = join(folder.path, "bin");
  mkdirSync(bin);
  const tools = (process.env.PATH ?? "").split(":").filter((each) => !existsSync(join(each, "bwrap")));
  for (const tool of ["rm", "chmod", "mkfifo", "setpriv", "ldd"])
    symlinkSync(`/bin/${tool}`, join(bin, tool));
  const path = process.env.PATH;
  process.env.PATH = [bin, ...tools].join(":");
  const reasonWith = (program: string) => {
    writeFileSync(join(bin, "bwrap"), `#!/bin/sh\n${program}`, { mode: 0o755 });
    return bubblewrap({ data_dir: folder.path }).check();
  };
  try {
    assert.match(
      (await bubblewrap({ data_dir: folder.path }).check()) ?? "",
      /install the package `bubblewrap`/,
    );
    assert.match((await reasonWith("echo bubblewrap 0.4.1")) ?? "", /install bubblewrap 0.5/);
    const says = "echo 'bwrap: No permissions to create a new namespace' >&2";
    // However late it is heard.
    for (const saying of [`${says};`, `(sleep 0.2; ${says}) &`]) {
      const forbidden = `[ $# = 1 ] && echo bubblewrap 0.8.0 || { ${saying} exit 1; }`;
      assert.match((await reasonWith(forbidden)) ?? "", /No permissions to create.*user namespaces/s);
    }
  } finally {
    process.env.PATH = path;
    folder.remove();
  }
});
