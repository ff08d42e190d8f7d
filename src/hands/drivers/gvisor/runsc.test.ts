import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testFolder } from "../../testing.ts";
import { findRunsc } from "./runsc.ts";

const old = `  -host-fifo value
    	controls permission to access host FIFOs. Values: none|open, default: none
  -ignore-cgroups
    	don't configure cgroups.
  -platform string
    	specifies which platform to use: ptrace (default), kvm. (default "ptrace")
`;
const recent = `${old.replace("ptrace (default), kvm", "systrap (default), ptrace, kvm")}  -directfs
    	directly access the container filesystems from the sentry. (default true)
  -overlay2 value
    	wrap mounts with overlayfs. (default root:self)
`;

/** With a runsc that says so of itself. */
async function foundWith(flags: string): ReturnType<typeof findRunsc> {
  const folder = testFolder();
  const program = join(folder.path, "runsc");
  const says = (text: string) => `printf '%s' '${text.replaceAll("'", "")}'`;
  writeFileSync(
    program,
    `#!/bin/sh\nif [ "$1" = flags ]; then ${says(flags)} >&2; else echo 'runsc version release-1'; fi\n`,
  );
  chmodSync(program, 0o755);
  const { PATH } = process.env;
  process.env.PATH = folder.path;
  try {
    return await findRunsc();
  } finally {
    process.env.PATH = PATH;
    folder.remove();
  }
}

test("an old runsc is used as it can be, and a newer one as if it were old", async () => {
  const before = await foundWith(old);
  assert.equal(before.version, "release-1");
  assert.equal(before.platform, "ptrace");
  assert.deepEqual(before.flags, ["--host-fifo=open", "--ignore-cgroups=true"]);
  const now = await foundWith(recent);
  assert.equal(now.platform, "systrap");
  assert.deepEqual(now.flags, [...before.flags, "--directfs=false", "--overlay2=none"]);
});

test("says what to install where it is missing or too old", async () => {
  await assert.rejects(
    foundWith(old.replace("host-fifo", "other")),
    /no --host-fifo: install runsc of 2022-12/,
  );
  const { PATH } = process.env;
  process.env.PATH = "/nowhere";
  await assert.rejects(findRunsc(), /gVisor is not installed; install `runsc`/).finally(() => {
    process.env.PATH = PATH;
  });
});
