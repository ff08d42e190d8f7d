import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LimitName, Sandbox } from "../driver.ts";
import { runIn, sh, testSpec } from "../testing.ts";
import type { SandboxSpec } from "../wire.ts";
import type { Driven } from "./driven.ts";

/** What a sandbox may use, and what is refused. */
export function specifyLimits(at: Driven): void {
  test("limits the size of a file, of /tmp and of /dev/shm", async () => {
    const fill = (path: string) =>
      `head -c 40000000 /dev/zero >${path} 2>/dev/null; wc -c <${path}; rm ${path}`;
    const sizes = await sh(
      at.sandbox,
      [fill("/workspace/big"), fill("/tmp/big"), fill("/dev/shm/big")].join("; "),
    );
    const { file_bytes, tmp_bytes } = testSpec.limits;
    assert.deepEqual(sizes.split("\n").map(Number), [file_bytes, tmp_bytes, tmp_bytes]);
  });

  test("contains a fork bomb", async () => {
    const bombed = await at.driver.provision("sbx_bomb", testSpec);
    const bomb = await bombed.spawn(["bash", "-c", "f() { f | f & }; f; sleep 1000"], { control: false });
    const { stdout } = await runIn(bombed, ["bash", "-c", "set -- /proc/[0-9]*; echo $#"]);
    assert.ok(Number(stdout) <= testSpec.limits.processes + 32, `${stdout} processes`);
    await bombed.destroy();
    assert.equal(await bomb.exited, null);
    await at.driver.forget("sbx_bomb");
  });

  test("contains a memory bomb", async () => {
    const bombed = await at.driver.provision("sbx_memory_bomb", testSpec);
    const { code } = await runIn(bombed, ["bash", "-c", "exec tail /dev/zero"]);
    assert.notEqual(code, 0);
    if (await at.endsWithout("memory_bytes")) await bombed.ended;
    else assert.equal(await sh(bombed, "echo alive"), "alive");
    await bombed.destroy();
    await at.driver.forget("sbx_memory_bomb");
    assert.equal(await sh(at.sandbox, "echo alive"), "alive");
  });

  describe("what is demanded", () => {
    const demand = (name: LimitName, more: Partial<SandboxSpec["limits"]>): SandboxSpec => ({
      ...testSpec,
      limits: { ...testSpec.limits, ...more },
      demanded: [name],
    });

    /** Null where the driver says that it cannot, and then has to refuse it. */
    async function demanding(name: LimitName, more: Partial<SandboxSpec["limits"]>): Promise<Sandbox | null> {
      const id = `sbx_${name}`;
      const { [name]: enforced } = await at.driver.enforces();
      if (enforced.scope === "sandbox") return at.driver.provision(id, demand(name, more));
      const refusal = { name: "Unavailable", message: /cannot be limited here, without/ };
      await assert.rejects(at.driver.provision(id, demand(name, more)), refusal);
      return null;
    }

    async function end(demanded: Sandbox): Promise<void> {
      await demanded.destroy();
      await at.driver.forget(demanded.id);
    }

    test("is a share of the processors for all processes together", async () => {
      const slow = await demanding("cpu", { cpu: 0.2 });
      if (!slow) return;
      const spin = "timeout 1 bash -c 'while :; do :; done'";
      const { stderr } = await runIn(slow, [
        "bash",
        "-c",
        `TIMEFORMAT='%R %U %S'; time (${spin} & ${spin} & wait)`,
      ]);
      const [real = 0, user = 0, system = 0] = stderr.trim().split(" ").map(Number);
      // Not all kernels count it to the hundredth.
      assert.ok(user + system < real, `${stderr.trim()}: all of it, of two processors`);
      await end(slow);
    });

    test("is memory for all processes together", async () => {
      const small = await demanding("memory_bytes", { memory_bytes: 256 << 20 });
      if (!small) return;
      const bytes = 160 << 20;
      const holding = sh(
        small,
        `mkfifo a b; tail -n 1 <a | wc -c >m & tail -n 1 <b | wc -c >n & exec 5>a 6>b
         (head -c ${bytes} /dev/zero >&5); (head -c ${bytes} /dev/zero >&6); exec 5>&- 6>&-; wait; cat m n; echo alive`,
      );
      if (await at.endsWithout("memory_bytes")) {
        await small.ended;
        await holding;
        return end(small);
      }
      const held = await holding;
      const [m, n, alive] = held.split("\n");
      assert.ok(Number(m) + Number(n) < 2 * bytes, held);
      assert.equal(alive, "alive");
      await end(small);
    });

    test("is disk space also where nobody demands it, if it can be limited", async () => {
      const { disk_bytes: enforced } = await at.driver.enforces();
      const limits = { ...testSpec.limits, disk_bytes: 48 << 20 };
      const limited = await at.driver.provision("sbx_undemanded", { ...testSpec, limits });
      const fill = "for n in 1 2 3 4; do head -c 14000000 /dev/zero >$n || exit; done; echo it fits";
      assert.equal(await sh(limited, fill), enforced.scope === "sandbox" ? "" : "it fits");
      await end(limited);
    });

    test("is disk space for workspace, home and outputs together, and deleting gives it back", async () => {
      const full = await demanding("disk_bytes", { disk_bytes: 48 << 20 });
      if (!full) return;
      const said = await sh(
        full,
        `for d in /workspace ~ /mnt/session/outputs; do for n in 1 2; do head -c 10000000 /dev/zero >$d/$n || break; done; done 2>&1
         du -scb /workspace ~ /mnt/session/outputs | tail -n 1 | cut -f 1; echo more >/tmp/more && cat /tmp/more`,
      );
      const [error, bytes, more] = said.split("\n");
      assert.match(error ?? "", /No space left on device/);
      assert.ok(Number(bytes) < 48 << 20, said);
      assert.equal(more, "more");
      assert.equal(await sh(full, "rm /workspace/*; echo again >/workspace/a && cat /workspace/a"), "again");
      await end(full);
    });

    test("is processes and their threads", async () => {
      const few = await demanding("processes", { processes: 40 });
      if (!few) return;
      const { stdout } = await runIn(few, [
        "bash",
        "-c",
        "for i in $(seq 60); do sleep 100 & done 2>/dev/null & sleep 0.1; set -- /proc/[0-9]*; echo $#; kill $!",
      ]);
      assert.ok(Number(stdout) <= 40 + 32, `${stdout} processes`);
      await end(few);
    });
  });

  test("refuses what it cannot enforce", async () => {
    const spec = { ...testSpec, image: "no-such-image:12" };
    await assert.rejects(at.driver.provision("sbx_image", spec), { name: "Unavailable", message: /image/ });
  });
}
