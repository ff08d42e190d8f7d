import assert from "node:assert/strict";
import { test } from "node:test";
import { listOutputs } from "../outputs/list.ts";
import { readOutput } from "../outputs/read.ts";
import { runIn, sh, testSpec } from "../testing.ts";
import { mountRoots } from "../wire.ts";
import type { Driven } from "./driven.ts";

/** What a sandbox can write, and how long it stays. */
export function specifyFolders(at: Driven): void {
  test("shows what is written to its outputs, to the byte, and whenever it changes", async () => {
    const outputs = at.driver.keptFolders("sbx_spec")?.find(({ name }) => name === "outputs");
    assert.ok(outputs);
    const versions = new Set<string>();
    for (const write of ["printf 1 > a", "printf 2 > a", "printf 3 >> a", "printf 4 1<>a", "touch -d @1 a"]) {
      const { code } = await runIn(at.sandbox, ["bash", "-c", `cd /mnt/session/outputs; ${write}`]);
      assert.equal(code, 0, write);
      const list = await listOutputs(outputs, { rest_ms: 0 });
      const [output] = list.files;
      assert.ok(output, JSON.stringify(list));
      versions.add(output.version);
      const data = readOutput(outputs, { ...output, offset: 0, length: 10 });
      assert.equal(data?.length, output.bytes);
      assert.equal(String(data), await sh(at.sandbox, "cat /mnt/session/outputs/a"));
    }
    assert.equal(versions.size, 5);
    await runIn(at.sandbox, ["rm", "/mnt/session/outputs/a"]);
  });

  test("has a workspace, outputs and a home that can be written, and little else", async () => {
    const writable = await sh(
      at.sandbox,
      `for d in /workspace /mnt/session/outputs "$HOME" /tmp /dev/shm / /usr /etc /usr/bin /run /mnt /mnt/session ${Object.values(mountRoots).join(" ")} /mnt/session/tool_results; do
         touch "$d/probe" 2>/dev/null && echo "$d"
       done; rm -f /workspace/probe`,
    );
    assert.deepEqual(writable.split("\n"), [
      "/workspace",
      "/mnt/session/outputs",
      "/home/agent",
      "/tmp",
      "/dev/shm",
    ]);
    assert.equal(await sh(at.sandbox, "pwd"), "/workspace");
  });

  test("keeps outputs where the sandbox can read them and do nothing else, for as long as the workspace", async () => {
    const first = await at.driver.provision("sbx_outputs", testSpec);
    const file = first.keepOutput("call_1");
    file.write(Buffer.from("all "));
    file.write(Buffer.from("of it"));
    const kept = await file.end();
    assert.deepEqual(kept, { path: "/mnt/session/tool_results/call_1.txt", bytes: 9, complete: true });
    const attacks = [
      "echo >$f",
      "rm -f $f",
      "mv $f $f.old",
      "chmod 777 $f",
      "ln -s /etc/passwd $f.link",
      "rm -rf $(dirname $f)",
    ];
    const tried = attacks
      .map((attack) => `(f=${kept?.path}; ${attack}) 2>/dev/null && echo '${attack}'`)
      .join("\n");
    assert.equal(
      await sh(first, `${tried}\ncat ${kept?.path}; cd /mnt/session/tool_results; echo *`),
      "all of itcall_1.txt",
    );
    await first.destroy();
    const second = await at.driver.provision("sbx_outputs", testSpec);
    assert.equal(await sh(second, `cat ${kept?.path}`), "all of it");
    await second.destroy();
    await at.driver.forget("sbx_outputs");
    const third = await at.driver.provision("sbx_outputs", testSpec);
    assert.equal(await sh(third, "find /mnt/session/tool_results -mindepth 1"), "");
    await third.destroy();
    await at.driver.forget("sbx_outputs");
  });

  test("keeps the workspace when it ends, and drops it when it is forgotten", async () => {
    const kept =
      "cat /workspace/a /mnt/session/outputs/b ~/c 2>/dev/null | tr '\\n' ' '; find /tmp -mindepth 1";
    const write = "echo 1 >/workspace/a; echo 2 >/mnt/session/outputs/b; echo 3 >~/c; echo 4 >/tmp/d";
    const first = await at.driver.provision("sbx_kept", testSpec);
    await sh(first, write);
    await first.destroy();
    const second = await at.driver.provision("sbx_kept", testSpec);
    assert.equal(await sh(second, kept), "1 2 3");
    await second.destroy();
    await at.driver.forget("sbx_kept");
    const third = await at.driver.provision("sbx_kept", testSpec);
    assert.equal(await sh(third, kept), "");
    await third.destroy();
    await at.driver.forget("sbx_kept");
  });

  test("comes up over a workspace that was closed to itself and is full of oddities", async () => {
    const first = await at.driver.provision("sbx_odd", testSpec);
    await sh(
      first,
      `mkfifo fifo; ln -s /etc link; mkdir shut; touch shut/x; chmod 0 shut
       long=$(printf '%0250d' 0); (for i in $(seq 20); do mkdir $long; cd $long; done); chmod 0 /workspace`,
    );
    await first.destroy();
    const second = await at.driver.provision("sbx_odd", testSpec);
    assert.equal(await sh(second, "test -d shut -a -L link && echo there"), "there");
    await second.destroy();
    await at.driver.forget("sbx_odd");
  });
}
