import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { makeAuthority, makeCertificate, type Pair } from "../src/cli/certificates.ts";
import { type Egress, startEgress } from "../src/egress/egress.ts";
import { type Identity, type Role, tlsOptions } from "../src/hands/identity.ts";
import type { CarryLine, RefusedLine } from "../src/net/egress-wire.ts";
import { carried, limitedTo, listen, readAll, upstreamAddress } from "./harness/egress.ts";
import { freePort } from "./harness/free-port.ts";
import { waiting } from "./harness/waiting.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-far-"));
const dayMs = 24 * 3_600_000;
const valid = { from: new Date(Date.now() - dayMs), to: new Date(Date.now() + dayMs) };
const authority = await makeAuthority(valid);
const upstream = createHttpServer((request, response) =>
  response.end(`you are ${request.socket.remotePort}`),
);
let port = 0;
before(async () => {
  port = await listen(upstream);
});
after(() => {
  upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

async function identity(
  role: Role,
  { name = "x", by = authority }: { name?: string; by?: Pair } = {},
): Promise<Identity> {
  const addresses = role === "egress" || role === "hands" ? ["127.0.0.1"] : [];
  return { ca: authority.cert, ...(await makeCertificate(by, { role, name, addresses, ...valid })) };
}

let count = 0;
interface Rig {
  egress: Egress;
  socket_path: string;
  troubles: unknown[];
  /** Names that were resolved here. */
  resolved: string[];
}

async function rig(t: TestContext, options: Partial<Parameters<typeof startEgress>[0]>): Promise<Rig> {
  const socket_path = join(folder, `${count++}.sock`);
  const [troubles, resolved]: [unknown[], string[]] = [[], []];
  const egress = await startEgress({
    socket_path,
    allow_private_hosts: [upstreamAddress],
    package_hosts: [],
    resolve: async (name) => {
      resolved.push(name);
      return [upstreamAddress];
    },
    onTrouble: (error) => troubles.push(error),
    ...options,
  });
  t.after(() => egress.close());
  return { egress, socket_path, troubles, resolved };
}

/** One beside a server, and that of a sandbox host. */
async function pair(t: TestContext) {
  const near = await rig(t, { listen: { host: "127.0.0.1", port: 0, identity: await identity("egress") } });
  const to = { host: "127.0.0.1", port: near.egress.port ?? 0 };
  const host = async (name: string, places = [to]) =>
    rig(t, { upstream: { upstream: places, identity: await identity("host egress", { name }) } });
  return { near, to, host };
}

function dial({ socket_path }: Rig, line: Partial<CarryLine>): Socket {
  const socket = connect({ path: socket_path, allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write(`${JSON.stringify(carried(line))}\n`);
  return socket;
}

async function get(rig: Rig, line: Partial<CarryLine>): Promise<string> {
  const socket = dial(rig, line);
  const answer = readAll(socket);
  socket.end(`GET http://a.test:${port}/ HTTP/1.1\r\nhost: a.test:${port}\r\nconnection: close\r\n\r\n`);
  return answer;
}

function watch(t: TestContext, { socket_path }: Rig) {
  const refused: RefusedLine[] = [];
  const { ring, until } = waiting();
  const socket = connect(socket_path);
  socket.write('{"type":"watch"}\n');
  t.after(() => socket.destroy());
  createInterface({ input: socket }).on("line", (line) => {
    refused.push(JSON.parse(line));
    ring();
  });
  return { refused, until };
}

test("a connection of a session with a pass leaves beside the server, and every other one here", async (t) => {
  const { near, host } = await pair(t);
  const far = await host("one");
  assert.match(await get(far, { pass: "a pass" }), /200 OK[\s\S]*you are \d+$/);
  assert.deepEqual([near.resolved, far.resolved], [["a.test"], []]);
  assert.match(await get(far, { pass: null }), /200 OK[\s\S]*you are \d+$/);
  assert.deepEqual([near.resolved, far.resolved], [["a.test"], ["a.test"]]);
});

test("all bytes come through both ways, and each side's end by itself", async (t) => {
  const { host } = await pair(t);
  const far = await host("one");
  const echo = createServer({ allowHalfOpen: true }, async (socket) => {
    const heard: Buffer[] = [];
    for await (const chunk of socket) heard.push(chunk);
    socket.end(Buffer.concat(heard));
  });
  const at = await listen(echo);
  t.after(() => echo.close());
  const socket = dial(far, { pass: "a pass" });
  socket.write(`CONNECT a.test:${at} HTTP/1.1\r\nhost: a.test:${at}\r\n\r\n`);
  const [first] = await once(socket, "data");
  assert.match(String(first), /^HTTP\/1.1 200/);
  const answer = readAll(socket);
  const text = "x".repeat(3 << 20);
  socket.end(text);
  assert.ok((await answer) === text);
});

test("what is refused there is told to the host whose sandbox it was, and to no other", async (t) => {
  const { host } = await pair(t);
  const [one, other] = [await host("one"), await host("other")];
  const [atOne, atOther] = [watch(t, one), watch(t, other)];
  const network = limitedTo("other.test");
  assert.match(await get(other, { pass: "p", sandbox_id: "sbx_other" }), /200 OK/);
  assert.match(await get(one, { pass: "p", sandbox_id: "sbx_one", network }), /403[\s\S]*allowed_hosts/);
  await atOne.until(() => atOne.refused.length || undefined);
  assert.deepEqual([atOne.refused[0]?.host, atOne.refused[0]?.sandbox_id], ["a.test", "sbx_one"]);
  assert.match(await get(other, { pass: "p", sandbox_id: "sbx_other", network }), /403/);
  await atOther.until(() => atOther.refused.length || undefined);
  assert.deepEqual(
    atOther.refused.map(({ sandbox_id }) => sandbox_id),
    ["sbx_other"],
  );
  assert.equal(atOne.refused.length, 1);
});

test("what the host itself does not want goes nowhere", async (t) => {
  const { near, host } = await pair(t);
  const far = await host("one");
  assert.match(
    await get(far, { pass: "p", refuse: "it has used all of its bytes" }),
    /403[\s\S]*all of its bytes/,
  );
  assert.deepEqual(near.resolved, []);
});

test("where nobody takes it the program hears what to configure, and the next one goes where somebody does", async (t) => {
  const { near, to } = await pair(t);
  const nobody = { host: "127.0.0.1", port: await freePort() };
  const identified = await identity("host egress");
  const lost = await rig(t, { upstream: { upstream: [nobody], identity: identified, wait_ms: 0 } });
  assert.match(await get(lost, { pass: "p" }), /^HTTP\/1.1 503 [\s\S]*DROVER_EGRESS_UPSTREAM/);
  await get(lost, { pass: "p" });
  assert.equal(lost.troubles.length, 1, "told once");
  assert.match(String(lost.troubles[0]), new RegExp(`127.0.0.1:${nobody.port} cannot be reached`));
  const hello = dial(lost, { pass: "p", as: "tls" }).end();
  assert.deepEqual([...Buffer.from(await readAll(hello), "latin1")], [21, 3, 3, 0, 2, 2, 49]);
  const found = await rig(t, { upstream: { upstream: [nobody, to], identity: identified } });
  assert.match(await get(found, { pass: "p" }), /200 OK/);
  assert.equal(near.resolved.length, 1);
});

test("one that ends and comes back is found again", async (t) => {
  const at = await freePort();
  const listening = { host: "127.0.0.1", port: at, identity: await identity("egress") };
  const first = await rig(t, { listen: listening });
  const places = [{ host: "127.0.0.1", port: at }];
  const far = await rig(t, { upstream: { upstream: places, identity: await identity("host egress") } });
  assert.match(await get(far, { pass: "p" }), /200 OK/);
  await first.egress.close();
  const asked = get(far, { pass: "p" });
  await rig(t, { listen: listening });
  assert.match(await asked, /200 OK/);
});

test("nobody is let in but the egress processes of hosts, nor taken for the one beside a server", async (t) => {
  const refused: string[] = [];
  const near = await rig(t, {
    listen: {
      host: "127.0.0.1",
      port: 0,
      identity: await identity("egress"),
      onRefused: (_who, why) => refused.push(why),
    },
  });
  const to = { host: "127.0.0.1", port: near.egress.port ?? 0 };
  const foreign = await identity("host egress", { by: await makeAuthority(valid) });
  for (const who of [await identity("serve"), foreign]) {
    const far = await rig(t, { upstream: { upstream: [to], identity: who, wait_ms: 0 } });
    assert.match(await get(far, { pass: "p" }), /^HTTP\/1.1 503|^$/);
  }
  assert.deepEqual(near.resolved, []);
  assert.ok(refused.length >= 2);
  const pretender = await rig(t, {
    listen: { host: "127.0.0.1", port: 0, identity: await identity("hands") },
  });
  const places = [{ host: "127.0.0.1", port: pretender.egress.port ?? 0 }];
  const far = await rig(t, {
    upstream: { upstream: places, identity: await identity("host egress"), wait_ms: 0 },
  });
  assert.match(await get(far, { pass: "p" }), /^HTTP\/1.1 503/);
  assert.match(String(far.troubles[0]), /not of "drover egress"/);
});

test("a host cannot send there what is of no session with credentials", async (t) => {
  const { near, to } = await pair(t);
  const socket = connectTls({ ...to, ...tlsOptions(await identity("host egress")) });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  const ended = once(socket, "close");
  socket
    .resume()
    .write(`${JSON.stringify(carried({ pass: null }))}\nGET http://a.test:${port}/ HTTP/1.1\r\n\r\n`);
  await ended;
  assert.deepEqual(near.resolved, []);
});

test("a host that has as many connections as it may takes none of another's", async (t) => {
  const listening = {
    host: "127.0.0.1",
    port: 0,
    identity: await identity("egress"),
    host_connections_max: 3,
  };
  const near = await rig(t, { listen: listening });
  const to = { host: "127.0.0.1", port: near.egress.port ?? 0 };
  const greedy = tlsOptions(await identity("host egress", { name: "greedy" }));
  const all = [1, 2, 3, 4].map(() => connectTls({ ...to, ...greedy }).on("error", () => {}));
  t.after(() => all.forEach((socket) => void socket.destroy()));
  await Promise.race(all.map((socket) => once(socket.resume(), "close")));
  const honest = await identity("host egress", { name: "honest" });
  const other = await rig(t, { upstream: { upstream: [to], identity: honest } });
  assert.match(await get(other, { pass: "a pass" }), /200 OK/);
  // One of the four was too many.
  const left = all.filter((socket) => !socket.closed);
  assert.equal(left.length, 3);
});
