import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { createNetwork } from "../network/network.ts";
import { fakeEgress } from "../network/testing-egress.ts";
import { runIn, sh, testSpec } from "../testing.ts";
import type { SandboxSpec } from "../wire.ts";
import type { Driven } from "./driven.ts";

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** What a sandbox reaches. */
export function specifyNetwork(at: Driven): void {
  test("has no network but its own loopback", async () => {
    assert.equal(
      await sh(
        at.sandbox,
        "{ (cd /sys/class/net && printf '%s\\n' *) 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; } | sort -u",
      ),
      "lo",
    );
    assert.equal((await runIn(at.sandbox, ["bash", "-c", "echo >/dev/tcp/192.0.2.1/80"])).code, 1);
  });

  test("has with a network a way out through its host, and no other", async (t) => {
    const id = "sbx_open";
    const spec: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };
    const egress = await fakeEgress(join(at.folder.path, "egress.sock"));
    const network = createNetwork({
      egress_socket: join(at.folder.path, "egress.sock"),
      data_dir: at.folder.path,
    });
    const way = await network.attach({ session_id: "sesn_open", sandbox_id: id, spec });
    const neighbour = createServer((socket) => socket.end("host")).listen(0, "127.0.0.1");
    const abstract = createServer((socket) => socket.end("host")).listen(`\0${at.folder.path}`);
    await Promise.all([once(neighbour, "listening"), once(abstract, "listening")]);
    const open = await at.driver.provision(id, spec, way?.namespace);
    way?.joined();
    t.after(async () => {
      await open.destroy();
      way?.close();
      neighbour.close();
      abstract.close();
      await network.close();
      await egress.close();
      await at.driver.forget(id);
    });
    const said = (script: string) => sh(open, `${script} 2>&1`);

    assert.equal(await said("curl -sS http://a.example/x"), "proxy GET http://a.example/x HTTP/1.1");
    assert.equal(await said("curl -sS --noproxy '*' http://a.example/x"), "http GET /x HTTP/1.1");
    assert.deepEqual(egress.carried[0], {
      type: "carry",
      session_id: "sesn_open",
      sandbox_id: id,
      network: { type: "unrestricted" },
      pass: null,
      as: "proxy",
      refuse: null,
    });
    assert.equal(await said("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo");
    assert.equal(await said("cat /etc/resolv.conf"), "nameserver 127.0.0.1");
    const elsewhere = ["192.0.2.1/80", "169.254.169.254/80", `127.0.0.1/${portOf(neighbour)}`];
    for (const place of elsewhere)
      assert.equal((await runIn(open, ["bash", "-c", `echo >/dev/tcp/${place}`])).code, 1, place);
    const attempts: Record<string, string> = {
      "an abstract socket": `connect(S, pack_sockaddr_un("\\0${at.folder.path}"))`,
      "a packet socket": "socket(S, 17, SOCK_RAW, 768)",
      "a raw socket": "socket(S, AF_INET, SOCK_RAW, 1)",
      "a port below 1024": `bind(S, pack_sockaddr_in(81, inet_aton("127.0.0.1")))`,
      "the proxy port": `bind(S, pack_sockaddr_in(3128, inet_aton("127.0.0.1")))`,
    };
    for (const [what, attempt] of Object.entries(attempts)) {
      const family = what.includes("abstract") ? "AF_UNIX" : "AF_INET";
      const program = `use Socket; socket(S, ${family}, SOCK_STREAM, 0) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); print ${attempt} ? "yes" : "no";`;
      assert.equal(await said(`perl -e '${program}'`), "no", what);
    }
    assert.match(await said("grep -h ^Cap /proc/self/status | sort -u -k2"), /^CapInh:\t0000000000000000$/);
    assert.notEqual((await runIn(open, ["ip", "address", "add", "10.9.8.7/8", "dev", "lo"])).code, 0);
    assert.equal(await said("ls /proc/1/fd | wc -l"), await sh(at.sandbox, "ls /proc/1/fd | wc -l"));
  });
}
