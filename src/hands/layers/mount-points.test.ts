import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testFolder } from "../testing.ts";
import { checkMountPoints } from "./mount-points.ts";

test("a link where something is mounted over is found before the next program begins", (t) => {
  const folder = testFolder();
  t.after(folder.remove);
  const [upper, rootfs] = [join(folder.path, "upper"), join(folder.path, "rootfs")];
  mkdirSync(join(upper, "etc"), { recursive: true });
  mkdirSync(join(rootfs, "etc"), { recursive: true });
  const layer = { upper, root: join(folder.path, "root") };
  const image = { name: "a", id: "a", made_at: "", origin: "", rootfs, env: {}, files: 1, bytes: 1 };
  const check = () => checkMountPoints(layer, image);
  writeFileSync(join(rootfs, "etc/hosts"), "");
  check();
  symlinkSync("/oldroot/etc/hosts", join(upper, "etc/hosts"));
  assert.throws(check, /replaced the file \/etc\/hosts/);
  rmSync(join(upper, "etc"), { recursive: true });
  check();
  symlinkSync("/oldroot/etc", join(upper, "etc"));
  assert.throws(check, /replaced the folder \/etc/);
  rmSync(join(upper, "etc"));
  symlinkSync("/oldroot", join(rootfs, "run"));
  assert.throws(check, /replaced the folder \/run/);
});
