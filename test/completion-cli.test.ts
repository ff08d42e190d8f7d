import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";

const drover = droverOf(null);
after(() => drover.close());
const main = join(import.meta.dirname, "../src/main.ts");
const completed = async (...words: string[]) =>
  (await drover.done(["complete", "--", ...words])).split("\n").filter((word) => word !== "");

test("commands, their subcommands, options and choices are completed", async () => {
  assert.deepEqual(await completed("se"), ["sessions", "serve"]);
  assert.deepEqual(await completed("sessions", "f"), ["fork"]);
  assert.deepEqual(await completed("envs", "keys", "re"), ["revoke"]);
  assert.deepEqual(await completed("agents", "--profile", "work", "apply", "--dry"), ["--dry-run"]);
  assert.deepEqual(await completed("completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(await completed("sessions", "show", "sesn"), []);
  assert.deepEqual(await completed("nonsense", ""), []);
});

test("bash asks for them", async () => {
  const shim = join(drover.folder, "drover");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(shim, 0o755);
  const script = `${await drover.done(["completion", "bash"])}
COMP_WORDS=(drover vaults s); COMP_CWORD=2; _drover; printf "%s\n" "\${COMPREPLY[@]}"`;
  const env = { ...drover.env, PATH: `${drover.folder}:${process.env.PATH}` };
  assert.equal(
    execFileSync("bash", ["--norc", "-c", script], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }).trim(),
    "show\nset",
  );
});
