import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Sandbox } from "../driver.ts";
import { runIn, sh, testSpec } from "../testing.ts";
import type { Driven } from "./driven.ts";

/** Regular files beneath a folder that hold the text. */
const filesWith = (folder: string, text: string): string[] =>
  globSync("**/*", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));

/** What a session with credentials finds in its sandbox. */
export function specifyCredentials(at: Driven): void {
  describe("of a session with credentials", () => {
    const pass = "a-pass-that-no-program-ever-sees";
    const certificateOf = (name: string) =>
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString("base64")}\n-----END CERTIFICATE-----\n`;
    const credentials = {
      pass,
      certificate: certificateOf("of the session"),
      placeholders: {
        API_KEY: "what-stands-for-the-key",
        HOME: "/nowhere",
        SSL_CERT_FILE: "/nowhere",
        LD_PRELOAD: "/nowhere",
        "A=B": "x",
        "": "x",
      },
    };
    let trusting: Sandbox;
    before(async () => {
      trusting = await at.driver.provision("sbx_trust", { ...testSpec, credentials });
    });
    after(async () => {
      await trusting.destroy();
      await at.driver.forget("sbx_trust");
    });

    test("has in its environment what stands for the secrets, and all else as before", async () => {
      const names = "API_KEY HOME LD_PRELOAD A";
      const shown = `for name in ${names}; do echo "$name=\${!name-}"; done`;
      assert.equal(
        await sh(trusting, shown),
        "API_KEY=what-stands-for-the-key\nHOME=/home/agent\nLD_PRELOAD=\nA=",
      );
      assert.equal(
        await sh(at.sandbox, `${shown}; echo "\${SSL_CERT_FILE-}"; ls -d /run/trust 2>/dev/null`),
        "API_KEY=\nHOME=/home/agent\nLD_PRELOAD=\nA=",
      );
    });

    test("trusts the session's authority beside all others, by the system's list and by variables", async () => {
      const session = Buffer.from("of the session").toString("base64");
      const lists = "$SSL_CERT_FILE $GIT_SSL_CAINFO $REQUESTS_CA_BUNDLE";
      const counts = await sh(
        trusting,
        `for each in ${lists}; do grep -c BEGIN $each; grep -c ${session} $each; done`,
      );
      for (const [i, count] of counts.split("\n").entries())
        assert.ok(i % 2 === 0 ? Number(count) > 10 : count === "1", counts);
      assert.equal(await sh(trusting, "cat $NODE_EXTRA_CA_CERTS"), credentials.certificate.trim());
      const system = "/etc/ssl/certs/ca-certificates.crt";
      const there = await sh(at.sandbox, `[ -e ${system} ] && echo there`);
      if (there === "there") {
        assert.equal(await sh(trusting, `cmp ${system} $SSL_CERT_FILE && echo same`), "same");
        assert.equal(await sh(at.sandbox, `grep -c ${session} ${system}`), "0");
      }
    });

    test("can change nothing of what it trusts", async () => {
      const tries = [
        "echo x >> $SSL_CERT_FILE",
        "rm -f $SSL_CERT_FILE",
        "mv $NODE_EXTRA_CA_CERTS /tmp/",
        "echo x > /run/trust/more",
        "mkdir /run/trust/more",
        "chmod 777 /run/trust",
        "umount /run/trust",
        "mv /run/trust /run/other",
        "[ -e /etc/ssl/certs/ca-certificates.crt ] && echo x >> /etc/ssl/certs/ca-certificates.crt",
      ];
      const all = tries.map(
        (each) => `{ ${each}; } 2>/dev/null && echo done: ${JSON.stringify(each).replaceAll("$", "")}`,
      );
      assert.equal(await sh(trusting, all.join("\n")), "");
    });

    test("shows the pass to none of its programs, and keeps it nowhere on the host", async () => {
      const places =
        "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /run /etc /tmp /workspace /home /mnt /dev/shm";
      const search = ["bash", "-c", `exec grep -rlsa -D skip -f - ${places}`];
      assert.equal((await runIn(trusting, search, `${pass}\n`)).stdout, "");
      assert.match((await runIn(trusting, search, "what-stands-for-the-key\n")).stdout, /environ/);
      assert.deepEqual(filesWith(at.folder.path, pass), []);
    });

    test("leaves nothing of it behind on the host", async () => {
      assert.notDeepEqual(filesWith(at.folder.path, credentials.certificate.split("\n")[1] ?? ""), []);
      await trusting.destroy();
      assert.deepEqual(filesWith(at.folder.path, credentials.certificate.split("\n")[1] ?? ""), []);
      const certificate = certificateOf("of another one");
      const placeholders = { OTHER_KEY: "what-stands-for-another" };
      trusting = await at.driver.provision("sbx_trust", {
        ...testSpec,
        credentials: { pass, certificate, placeholders },
      });
      assert.equal(
        await sh(trusting, 'echo "$(printenv API_KEY || echo none) $OTHER_KEY"'),
        "none what-stands-for-another",
      );
      assert.equal(await sh(trusting, "cat $NODE_EXTRA_CA_CERTS"), certificate.trim());
      await trusting.destroy();
      trusting = await at.driver.provision("sbx_trust", testSpec);
      assert.equal(
        await sh(trusting, "printenv OTHER_KEY SSL_CERT_FILE; ls /run"),
        await sh(at.sandbox, "ls /run"),
      );
    });
  });
}
