import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { ownAddresses } from "./addresses.ts";
import { createGuard, type Guard, refusalIn } from "./guard.ts";

/** What the server was asked for: the address it was reached at, and the host that was meant. */
const heard: { at: string | undefined; host: string | undefined }[] = [];
const server = createServer((request, response) => {
  heard.push({ at: request.socket.localAddress, host: request.headers.host });
  const to = new URL(request.url ?? "", "http://here").searchParams.get("to");
  response.writeHead(to ? 302 : 200, { connection: "close", ...(to && { location: to }) });
  response.end("here");
});
let port = 0;
const guards: Guard[] = [];

before(async () => {
  await once(server.listen(0, "0.0.0.0"), "listening");
  port = (server.address() as AddressInfo).port;
});
after(async () => {
  for (const guard of guards) await guard.close();
  server.close();
});

/** Takes 127.0.0.2 for public, as it were, and resolves names to what the list has next. */
function guardThat(...answers: string[][]) {
  const asked: string[] = [];
  const guard = createGuard({
    allow_private_hosts: ["127.0.0.2"],
    resolve: async (name) => {
      asked.push(name);
      return answers.shift() ?? [];
    },
  });
  guards.push(guard);
  return { guard, asked };
}

async function refused(guard: Guard, url: string): Promise<string> {
  const before = heard.length;
  const error = await guard.fetch(url).then(
    () => assert.fail(`${url} was reached`),
    (error: unknown) => error,
  );
  assert.equal(heard.length, before);
  return refusalIn(error) ?? assert.fail(`${url} failed of something else: ${String(error)}`);
}

const addresses = [
  // Loopback, in every spelling that a URL takes.
  "127.0.0.1",
  "127.1",
  "127.0.1",
  "2130706433",
  "017700000001",
  "0x7f000001",
  "0x7f.1",
  "0177.0.0.01",
  "127.0.0.1.",
  "１２７.０.０.１",
  "①②⑦.⓪.⓪.①",
  "127%2e0.0.1",
  "0",
  "0.0.0.0",
  "[::1]",
  "[::]",
  "[0:0:0:0:0:0:0:1]",
  // IPv4 within IPv6: mapped, compatible, translated, NAT64 (both prefixes), 6to4, Teredo.
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::127.0.0.1]",
  "[::ffff:0:127.0.0.1]",
  "[64:ff9b::127.0.0.1]",
  "[64:ff9b::a9fe:a9fe]",
  "[64:ff9b:1::10.0.0.1]",
  "[2002:7f00:1::]",
  "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
  // Identifiers that look like addresses.
  "[2001:10::1]",
  "[2001:20::1]",
  // Private, shared, link-local, unique local, site-local, multicast, reserved, examples.
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "100.127.255.255",
  "169.254.1.1",
  "192.0.0.1",
  "192.0.2.1",
  "192.88.99.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "[fe80::1]",
  "[fec0::1]",
  "[fc00::1]",
  "[fd12:3456::1]",
  "[ff02::1]",
  "[2001:db8::1]",
  "[3fff::1]",
  "[100::1]",
  "[5f00::1]",
  // Where clouds tell a machine its secrets.
  "169.254.169.254",
  "0xa9fea9fe",
  "2852039166",
  "169.254.170.2",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "[fd00:ec2::254]",
  "[fe80::a9fe:a9fe]",
];

const open = [
  "1.1.1.1",
  "100.63.255.255",
  "172.32.0.1",
  "192.0.1.1",
  "198.17.255.255",
  "223.255.255.255",
  "[2606:4700:4700::1111]",
  "[2001:4860:4860::8888]",
  "[64:ff9b::8.8.8.8]",
  "example.com",
];

describe("the guard", () => {
  for (const address of addresses) {
    test(`refuses ${address}`, async () => {
      const { guard, asked } = guardThat();
      assert.match(await refused(guard, `http://${address}:${port}/`), /is not a public address/);
      assert.deepEqual(asked, []);
    });
  }

  test("has nothing against public addresses and names", () => {
    const { guard } = guardThat();
    for (const url of ["http://example.com:443/", "https://example.com:80/", "http://example.com:1024/"]) {
      assert.equal(guard.problemOf(new URL(url)), null, url);
    }
    for (const host of open) assert.equal(guard.problemOf(new URL(`https://${host}/`)), null, host);
  });

  test("refuses this machine's own addresses, and names that lead there, unless they are opened", async () => {
    const own = () => ["1.1.1.1", "2606:4700:4700::1111"];
    const resolve = async () => ["1.1.1.1"];
    const guard = createGuard({ allow_private_hosts: [], resolve, own });
    guards.push(guard);
    for (const host of [
      ...["1.1.1.1", "0x1010101", "[64:ff9b::1.1.1.1]"],
      ...["[2606:4700:4700::0:1111]", "mine.example"],
    ]) {
      assert.match(await refused(guard, `http://${host}:${port}/`), /is not a public address/, host);
    }
    const opening = createGuard({ allow_private_hosts: ["1.1.1.1"], resolve, own });
    assert.equal(opening.problemOf(new URL("http://1.1.1.1/")), null);
    assert.ok(ownAddresses().includes("127.0.0.1"));
  });

  test("refuses what is not the web", () => {
    const { guard } = guardThat();
    for (const url of [
      "ftp://example.com/",
      "file:///etc/passwd",
      "data:text/plain,x",
      "gopher://example.com:70/",
      "https://ada@example.com/",
      "https://:secret@example.com/",
      "http://example.com:22/",
      "http://example.com:25/",
      "http://example.com:0/",
      // A resolver may well take these for the same name without the second dot, and a list of domains not.
      "http://example.com../",
      "http://127.0.0.1../",
      "http://a..example.com/",
      "http://./",
    ]) {
      assert.notEqual(guard.problemOf(new URL(url)), null, url);
    }
    assert.throws(() => new URL("http://[fe80::1%25eth0]/"));
  });

  test("judges what a name resolves to, all of it", async () => {
    for (const answer of [
      ["127.0.0.1"],
      ["::1"],
      ["::ffff:127.0.0.1"],
      ["fe80::1%lo"],
      ["127.0.0.2", "127.0.0.1"],
      ["nonsense"],
    ]) {
      const { guard, asked } = guardThat(answer);
      assert.match(await refused(guard, `http://evil.example:${port}/`), /evil\.example is not a public/);
      assert.deepEqual(asked, ["evil.example"]);
    }
  });

  test("connects to the address that it has judged, under the name that was asked for", async () => {
    const { guard, asked } = guardThat(["127.0.0.2"], ["127.0.0.1"]);
    const response = await guard.fetch(`http://Rebinding.Example.:${port}/`);
    assert.equal(await response.text(), "here");
    assert.deepEqual(heard.at(-1), { at: "127.0.0.2", host: `rebinding.example.:${port}` });
    assert.deepEqual(asked, ["rebinding.example"]);
    assert.match(await refused(guard, `http://rebinding.example:${port}/`), /not a public address/);
  });

  test("judges every step of a redirect, whoever follows it", async () => {
    const { guard } = guardThat(["127.0.0.2"], ["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]);
    for (const to of [
      `http://127.0.0.1:${port}/`,
      `http://inner.example:${port}/`,
      "http://inner.example:81/",
    ]) {
      const before = heard.length;
      const error = await guard
        .fetch(`http://outer.example:${port}/?to=${to}`)
        .catch((error: unknown) => error);
      assert.notEqual(refusalIn(error), null, to);
      assert.equal(heard.length, before + 1);
    }
  });

  test("reaches what was opened: names, addresses and subnets, and nothing beside them", async () => {
    const cases: [opened: string, reached: string, refused: string][] = [
      ["LocalHost", "localhost", "127.0.0.1"],
      ["127.0.0.1", "127.0.0.1", "127.0.0.2"],
      ["127.0.0.0/30", "127.0.0.3", "127.0.0.4"],
    ];
    for (const [opened, reached, closed] of cases) {
      const guard = createGuard({ allow_private_hosts: [opened], resolve: async () => [] });
      guards.push(guard);
      const response = await guard.fetch(`http://${reached}:${port}/`);
      assert.equal(await response.text(), "here");
      await refused(guard, `http://${closed}:${port}/`);
    }
  });

  test("says a name without an address is that, and not refused", async () => {
    const { guard } = guardThat([]);
    const error = await guard.fetch("http://nowhere.example/").catch((error: Error) => error);
    assert.equal(refusalIn(error), null);
  });

  test("uses no proxy that the environment names", async () => {
    process.env.HTTP_PROXY = "http://127.0.0.1:1";
    try {
      const { guard } = guardThat(["127.0.0.2"]);
      assert.equal((await guard.fetch(`http://name.example:${port}/`)).status, 200);
    } finally {
      delete process.env.HTTP_PROXY;
    }
  });

  test("tells a TLS server which name is meant, and shares no connection between names", async () => {
    const hello = Promise.withResolvers<string>();
    const tls = createTcpServer((socket) => {
      socket.once("data", (bytes) => {
        hello.resolve(bytes.toString("latin1"));
        socket.destroy();
      });
    });
    await once(tls.listen(0, "127.0.0.2"), "listening");
    const { guard } = guardThat(["127.0.0.2"]);
    await assert.rejects(guard.fetch(`https://secure.example:${(tls.address() as AddressInfo).port}/`));
    const said = await hello.promise;
    assert.ok(said.includes("secure.example") && said.includes("\x08http/1.1"));
    // Which may use one for every name that its certificate has.
    assert.ok(!said.includes("\x02h2"));
    tls.close();
  });
});
