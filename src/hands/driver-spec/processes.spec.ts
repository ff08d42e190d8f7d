import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { runIn, sh, testSpec } from "../testing.ts";
import type { Driven } from "./driven.ts";

/** How processes are begun in a sandbox, spoken with and ended. */
export function specifyProcesses(at: Driven): void {
  test("passes stdin, stdout, stderr and the exit code of a process", async () => {
    const result = await runIn(at.sandbox, ["bash", "-c", "cat; echo err >&2; exit 7"], "in\n");
    assert.deepEqual(result, { code: 7, stdout: "in\n", stderr: "err\n" });
  });

  test("passes arguments as they are", async () => {
    const odd = ["a b", "it's", "two\nlines", "", "$HOME", "*", "ü", "-n", "\\"];
    const { stdout } = await runIn(at.sandbox, ["printf", "%s|", ...odd]);
    assert.equal(stdout, odd.map((each) => `${each}|`).join(""));
  });

  test("says 127 for a program that does not exist, and runs no shell builtin in its place", async () => {
    assert.equal((await runIn(at.sandbox, ["no-such-program"])).code, 127);
    assert.equal((await runIn(at.sandbox, ["run", "1", "2"])).code, 127);
  });

  test("refuses an argument with a NUL byte", async () => {
    await assert.rejects(at.sandbox.spawn(["echo", "a\0b"], { control: false }), /NUL/);
  });

  test("carries megabytes both ways", async () => {
    const { stdout } = await runIn(at.sandbox, ["bash", "-c", "cat"], "x".repeat(3 << 20));
    assert.equal(stdout.length, 3 << 20);
  });

  test("does not mind a process that leaves its input unread", async () => {
    assert.equal((await runIn(at.sandbox, ["true"], "x".repeat(1 << 20))).code, 0);
  });

  test("gives a control pipe when asked", async () => {
    const process = await at.sandbox.spawn(["bash", "-c", "echo report >&3"], { control: true });
    const [report] = process.control ? await once(process.control, "data") : [];
    assert.equal(String(report), "report\n");
    assert.equal(await process.exited, 0);
  });

  test("sees a process end although its child holds the output open", async () => {
    const { stdout, code } = await runIn(at.sandbox, ["bash", "-c", "sleep 1000 & echo done"]);
    assert.deepEqual({ stdout, code }, { stdout: "done\n", code: 0 });
    await runIn(at.sandbox, ["pkill", "-x", "sleep"]);
  });

  test("signals a process with its children, and spares who is to be spared", async () => {
    const process = await at.sandbox.spawn(["bash", "-c", "sleep 1001 & echo $!; sleep 1002"], {
      control: false,
    });
    const [pid] = await once(process.stdout, "data");
    await process.kill("SIGKILL", [Number(pid)]);
    assert.equal(await process.exited, 137);
    assert.equal(await sh(at.sandbox, "pgrep -f 'sleep 100[12]'"), String(pid).trim());
    await runIn(at.sandbox, ["pkill", "-x", "sleep"]);
  });

  test("outlives a process that kills everything it can", async () => {
    await runIn(at.sandbox, ["bash", "-c", "kill -9 -1"]);
    await runIn(at.sandbox, [
      "bash",
      "-c",
      "kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1; kill -QUIT 1",
    ]);
    assert.equal(await sh(at.sandbox, "echo alive"), "alive");
  });

  test("runs processes side by side", async () => {
    const names = Array.from({ length: 20 }, (_, n) => String(n));
    const results = await Promise.all(names.map((name) => sh(at.sandbox, `echo ${name}`)));
    assert.deepEqual(results, names);
  });

  test("tells processes that run that the sandbox ended", async () => {
    const other = await at.driver.provision("sbx_ended", testSpec);
    const process = await other.spawn(["sleep", "1000"], { control: false });
    await other.destroy();
    await other.ended;
    assert.equal(await process.exited, null);
    await assert.rejects(other.spawn(["true"], { control: false }), { name: "Unavailable" });
    await at.driver.forget("sbx_ended");
  });
}
