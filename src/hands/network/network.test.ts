import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { limits } from "../../limits.ts";
import { bubblewrap } from "../drivers/bubblewrap.ts";
import { type HandsHost, startHands } from "../host.ts";
import { connectHands, type OneHost } from "../one-host.ts";
import { testFolder, testSpec } from "../testing.ts";
import { appears, finished, never, request, shell, textOf } from "../testing-host.ts";
import type { SandboxSpec } from "../wire.ts";
import { tcpListeners } from "./inside.ts";
import { type FakeEgress, fakeEgress } from "./testing-egress.ts";

const folder = testFolder();
const socket_path = join(folder.path, "hands.sock");
const driver = bubblewrap({ data_dir: folder.path });
const problem = await driver.check();
const open: SandboxSpec = { ...testSpec, network: { type: "unrestricted" } };

describe("the network of sandboxes", { skip: problem ?? false }, () => {
  let egress: FakeEgress;
  let host: HandsHost;
  let hands: OneHost;

  before(async () => {
    egress = await fakeEgress(join(folder.path, "egress.sock"));
    host = await startHands({ socket_path, data_dir: folder.path, driver });
    hands = connectHands({ socket_path });
  });
  after(async () => {
    hands.close();
    await host.close();
    await egress.close();
    folder.remove();
  });

  const asked = (name: string, command: string, spec = open) => request(name, shell(command), { spec });
  const run = async (name: string, command: string, spec = open) =>
    finished(await hands.execute(asked(name, command, spec), never));
  const workspace = (name: string) => join(folder.path, "sandboxes", `sbx_${name}`, "workspace");

  test("what was carried comes with the result, and with no other one", async () => {
    const call = asked("told", "curl -sS http://a.example/");
    const result = finished(await hands.execute(call, never));
    assert.equal(textOf(result), "proxy GET http://a.example/ HTTP/1.1\n");
    const { connections, bytes_sent = 0, bytes_received = 0, refused } = result.network ?? {};
    assert.deepEqual([connections, refused], [1, []]);
    assert.ok(bytes_sent > 60 && bytes_received > 60);
    assert.deepEqual(finished(await hands.execute(call, never)), result);
    assert.equal((await run("told", "true")).network, null);
  });

  test("what was refused to a program in the background comes with the next call", async () => {
    await run("later", "until [ -e go ]; do sleep 0.01; done && curl -sS http://a.example/ >got &");
    const told = { host: "a.example", port: 80, reason: "it is not allowed" };
    egress.refuse({ session_id: "sesn_later", sandbox_id: "sbx_later", ...told });
    egress.refuse({ session_id: "sesn_later", sandbox_id: "sbx_nobody", ...told });
    const { network } = await run("later", "touch go; wait");
    assert.deepEqual(network?.refused, [{ ...told, count: 1 }]);
    assert.equal(network?.connections, 1);
  });

  test("a sandbox without a network has none, and is told nothing of a proxy", async () => {
    const spec: SandboxSpec = { ...open, network: { type: "none" } };
    const result = await run("none", "env | grep -ic proxy; cat /etc/resolv.conf", spec);
    assert.equal(textOf(result), "0\n# The sandbox has no network.\n");
    assert.equal((await run("none", "echo >/dev/tcp/127.0.0.1/3128", spec)).exit_code, 1);
  });

  test("names are found over UDP and TCP, and lead to one address", async () => {
    const program = (kind: string) =>
      `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:53", Proto => "${kind}") or die; $q = pack("H*", "00010100000100000000000001610765786d61706c650000010001"); syswrite $s, ("${kind}" eq "tcp" ? pack("n", length $q) : "") . $q; sysread $s, $a, 512; print join ".", unpack "C4", substr $a, -4'`;
    assert.equal(textOf(await run("names", "getent hosts a.example | cut -d' ' -f1")), "127.0.0.80\n");
    assert.equal(textOf(await run("names", program("udp"))), "127.0.0.80");
    assert.equal(textOf(await run("names", program("tcp"))), "127.0.0.80");
  });

  test("a sandbox that floods what is listened to harms only itself", async () => {
    const flood = (port: number) =>
      `perl -MSocket -e 'while (1) { socket S, AF_INET, SOCK_STREAM, 0; connect S, pack_sockaddr_in(${port}, inet_aton("127.0.0.1")) }' &`;
    const datagrams = `perl -MSocket -e 'socket S, AF_INET, SOCK_DGRAM, 0; connect S, pack_sockaddr_in(53, inet_aton("127.0.0.1")); while (1) { send S, "x" x 500, 0 }' &`;
    await run("flood", `${flood(3128)} ${flood(53)} ${datagrams} touch begun`);
    await appears(join(workspace("flood"), "begun"));
    for (let n = 0; n < 5; n += 1)
      assert.match(textOf(await run("calm", "curl -sS http://a.example/")), /^proxy GET/);
    const scope = { session_id: "sesn_flood", sandbox_id: "sbx_flood", epoch: 1 };
    await hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: false });
  });

  test("nothing of a network stays with the host when its sandboxes are gone", async () => {
    const held = () => readdirSync("/proc/self/fd").length;
    const before = held();
    const names = Array.from({ length: 12 }, (_, n) => `gone${n}`);
    const end = (name: string) =>
      hands.destroy({
        ...{ session_id: `sesn_${name}`, sandbox_id: `sbx_${name}`, epoch: 1 },
        ...{ keep_workspace: false, keep_checkpoints: false },
      });
    const use = async () => {
      await Promise.all(names.map((name) => run(name, "curl -sS http://a.example/")));
      await Promise.all(names.map(end));
    };
    for (let n = 0; n < 3; n += 1) await use();
    // The spare namespaces may have become more, each with a handle of its own and one for each listener.
    const spare = limits.network_slots_spare_max * (2 + tcpListeners.length);
    assert.ok(held() < before + spare + 12, `${held()} after ${before}`);
    assert.deepEqual(
      readdirSync(join(folder.path, "network")).filter((file) => file.includes("gone")),
      [],
    );
  });
});
