import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { EgressProxy } from "../src/config/egress.ts";
import type { OpenNetwork } from "../src/net/egress-wire.ts";
import { egressRig, upstreamAddress } from "./harness/egress.ts";

const credentials = { user: "sandy", password: "pass:word" };
const secret = Buffer.from("sandy:pass:word").toString("base64");

interface Asked {
  authority: string;
  headers: IncomingHttpHeaders;
}

/** A company's proxy before an egress process, and a server on the internet behind it. */
async function behindProxy(
  t: TestContext,
  more: Partial<EgressProxy> = {},
  resolve?: (name: string) => string[],
  status = 200,
) {
  const asked: Asked[] = [];
  const site = createServer((request, response) => response.end(`${request.headers.host}${request.url}`));
  await new Promise<void>((done) => site.listen(0, upstreamAddress, done));
  const { port } = site.address() as AddressInfo;
  const proxy = createServer();
  proxy.on("connect", ({ url = "", headers }, program: Socket) => {
    asked.push({ authority: url, headers });
    program.on("error", () => {});
    if (status !== 200)
      return program.end(`HTTP/1.1 ${status} No\r\ncontent-length: 8\r\n\r\nask ${secret.slice(0, 4)}`);
    const to = connect(port, upstreamAddress, () => {
      program.write("HTTP/1.1 200 OK\r\n\r\n");
      program.pipe(to).pipe(program);
    });
    to.on("error", () => program.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  const at = { host: "127.0.0.1", port: (proxy.address() as AddressInfo).port, credentials };
  const rig = await egressRig(resolve, { ...at, except: [], names: "egress", ...more });
  t.after(async () => {
    await rig.stop();
    for (const server of [site, proxy]) {
      server.closeAllConnections();
      server.close();
    }
  });
  const say = async (words: string, line: Parameters<typeof rig.dial>[0] = {}) => {
    const program = rig.dial(line);
    program.write(words);
    return text(program);
  };
  const close = "Connection: close\r\n\r\n";
  return {
    ...{ rig, asked, port, proxy },
    get: (url: string) => say(`GET ${url} HTTP/1.1\r\nHost: x\r\n${close}`),
    tunnel: (authority: string, line: Parameters<typeof rig.dial>[0] = {}) =>
      say(
        `CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\nGET /inside HTTP/1.1\r\nHost: own\r\n${close}`,
        line,
      ),
  };
}

test("connections go through the proxy, to an address that was judged", async (t) => {
  const { get, tunnel, asked, rig, port } = await behindProxy(t);
  assert.match(await get(`http://site.test:${port}/plain`), new RegExp(`site.test:${port}/plain$`));
  assert.match(await tunnel(`other.test:${port}`), /own\/inside$/);
  assert.deepEqual(
    asked.map(({ authority, headers }) => [authority, headers["proxy-authorization"]]),
    Array(2).fill([`${upstreamAddress}:${port}`, `Basic ${secret}`]),
  );
  assert.deepEqual(rig.resolved, ["site.test", "other.test"]);
});

test("the policy is judged before the proxy is asked, and so are addresses", async (t) => {
  const { tunnel, get, asked, port } = await behindProxy(t, {}, () => ["10.0.0.1"]);
  assert.match(await tunnel("private.test:443"), /^HTTP\/1.1 403 /);
  assert.match(await get("http://169.254.169.254/"), /^HTTP\/1.1 403 /);
  const limited: OpenNetwork = { type: "limited", hosts: ["a.test"], package_managers: false };
  assert.match(await tunnel(`b.test:${port}`, { network: limited }), /^HTTP\/1.1 403 /);
  assert.deepEqual(asked, []);
});

test("a proxy that resolves names gets them, but for those that lead nowhere public", async (t) => {
  const { tunnel, asked, rig, port } = await behindProxy(t, { names: "proxy" });
  assert.match(await tunnel(`site.test:${port}`), /own\/inside$/);
  for (const local of ["localhost", "wiki", "metadata.google.internal", "printer.local", "10.0.0.1", "[::1]"])
    assert.match(await tunnel(`${local}:${port}`), /^HTTP\/1.1 403 /, local);
  assert.deepEqual(
    asked.map(({ authority }) => authority),
    [`site.test:${port}`],
  );
  assert.deepEqual(rig.resolved, []);
});

test("exceptions are reached without it: by name, by address, and by what a name leads to", async (t) => {
  for (const [except, names] of [
    ["site.test", "proxy"],
    [upstreamAddress, "egress"],
    ["127.0.0.0/8", "egress"],
  ] as const) {
    const { tunnel, asked, port } = await behindProxy(t, { except: [except], names });
    assert.match(await tunnel(`site.test:${port}`), /own\/inside$/, except);
    assert.deepEqual(asked, [], except);
  }
});

test("what the proxy says against it is told in few words, and nothing of what it was told", async (t) => {
  for (const [status, words] of [
    [407, /does not accept its user and password/],
    [403, /refused it \(403\)/],
  ] as const) {
    const { tunnel, rig, port } = await behindProxy(t, {}, undefined, status);
    const said = await tunnel(`site.test:${port}`);
    assert.match(said, /^HTTP\/1.1 502 /);
    assert.match(said, words);
    assert.doesNotMatch(said + JSON.stringify(rig.refused) + rig.troubles.join(), /sandy|pass:word|c2FuZHk/);
  }
  const { tunnel, proxy, port } = await behindProxy(t);
  proxy.close();
  assert.match(await tunnel(`site.test:${port}`), /502 .*cannot be reached/s);
});
