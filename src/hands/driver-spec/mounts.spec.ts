import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { openBlobs } from "../blobs/blobs.ts";
import { createMounts } from "../mounts/mounts.ts";
import { shaOf } from "../mounts/testing-mounts.ts";
import { sh, testSpec } from "../testing.ts";
import { mountRoots } from "../wire.ts";
import type { Driven } from "./driven.ts";

/** What the host mounts. */
export function specifyMounts(at: Driven): void {
  test("shows what the host has mounted as it is at the moment, for its programs to read and run and nothing else", async () => {
    const path = join(at.folder.path, "mounting");
    const blobs = await openBlobs({ folder: join(path, "blobs") });
    const mounts = createMounts({ blobs, folderOf: at.driver.mounts });
    async function mount(version: number, files: Record<string, string>): Promise<void> {
      const list = Object.entries(files).map(([name, text]) => {
        const about = { sha256: shaOf(text), bytes: Buffer.byteLength(text) };
        return { ...about, path: name.replace("*", ""), executable: name.endsWith("*") };
      });
      for (const text of Object.values(files)) {
        const data = Buffer.from(text);
        await blobs.put({ sha256: shaOf(text), bytes: data.length, offset: 0, data });
      }
      assert.deepEqual(await mounts.mount("sbx_mounts", { version, mounts: list }), []);
    }
    const [a, run] = [`${mountRoots.uploads}/deep/a`, `${mountRoots.skills}/s/run`];
    await mount(1, { [a]: "first", [`${run}*`]: "#!/bin/sh\necho ran\n" });
    const first = await at.driver.provision("sbx_mounts", testSpec);
    assert.equal(await sh(first, `cat ${a}; echo; ${run}`), "first\nran");

    const shell = await first.spawn(["bash"], { control: false });
    shell.stdin.write(`cd $(dirname ${a}); exec 9<a; cat a; echo\n`);
    const lines = createInterface(shell.stdout)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "first");
    await mount(2, { [a]: "second", [`${mountRoots.uploads}/deep/b`]: "more" });
    shell.stdin.end("cat a b <&9; cat <&9; echo\n");
    assert.equal((await lines.next()).value, "secondmorefirst");
    assert.equal(await sh(first, `ls -A ${mountRoots.skills}`), "");

    const attacks = [
      "echo >$f",
      "echo >>$f",
      ": >$d/new",
      "rm -f $f; test ! -e $f",
      "mv $f $f.old",
      "mv /etc/hostname $f",
      "chmod 777 $f",
      "chmod 777 $d",
      "chown $(id -u) $f",
      "touch -d 2001-01-01 $f",
      "truncate -s 0 $f",
      "ln $f $d/link",
      "ln $f /workspace/link",
      "ln -s /etc/passwd $d/link",
      "mkdir $d/new",
      "rm -rf $d; test ! -e $d",
      "mount -o remount,rw $r",
      "umount $r",
      "mount -t tmpfs none $r",
      "mv $r $r.old",
      "rmdir /mnt/skills",
    ];
    const tried = attacks
      .map(
        (attack) =>
          `(f=${a}; d=$(dirname $f); r=${mountRoots.uploads}; ${attack}) 2>/dev/null && echo '${attack}'`,
      )
      .join("\n");
    assert.equal(await sh(first, `${tried}\ncat ${a}`), "second");
    const kept = (await blobs.file(shaOf("second"), { executable: false })) ?? assert.fail();
    assert.equal(readFileSync(kept, "utf8"), "second");
    assert.equal(statSync(kept).mode & 0o7777, 0o444);

    await first.destroy();
    const second = await at.driver.provision("sbx_mounts", testSpec);
    assert.equal(await sh(second, `cat ${a}`), "second");
    await second.destroy();
    await at.driver.forget("sbx_mounts");
    assert.ok(!existsSync(at.driver.mounts("sbx_mounts")));
    blobs.close();
  });
}
