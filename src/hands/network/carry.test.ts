import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { after, type TestContext, test } from "node:test";
import { limits } from "../../limits.ts";
import type { CarryLine } from "../../net/egress-wire.ts";
import { testFolder } from "../testing.ts";
import { createCarrier } from "./carry.ts";
import { createEgress } from "./egress.ts";
import { openMeter } from "./meter.ts";
import { answerLength, fakeEgress } from "./testing-egress.ts";

const folder = testFolder();
after(() => folder.remove());
let benches = 0;

interface BenchOptions {
  as?: CarryLine["as"];
  bytes_max?: number;
  connections_max?: number;
  wait_ms?: number;
}

/** A listener whose connections are carried, and where egress is to be. */
async function bench(t: TestContext, { as = "proxy", ...options }: BenchOptions = {}) {
  const name = join(folder.path, String(benches++));
  const refused: string[] = [];
  const meter = openMeter({ path: `${name}.json`, bytes_max: null, connections_max: 100, ...options });
  const egress = createEgress({
    socket_path: `${name}.sock`,
    onRefused: ({ reason }) => refused.push(reason),
    wait_ms: options.wait_ms ?? 60_000,
  });
  const carrier = createCarrier({
    egress,
    meter,
    line: { session_id: "sesn_a", sandbox_id: "sbx_a", network: { type: "unrestricted" }, pass: null },
  });
  const listener = createServer((socket) => carrier.accept(socket, as)).listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    carrier.close();
    egress.close();
    listener.close();
    meter.close();
  });
  const { port } = listener.address() as AddressInfo;
  const dial = () => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    t.after(() => socket.destroy());
    return socket;
  };
  const startEgress = async (answer?: Parameters<typeof fakeEgress>[1]) => {
    const fake = await fakeEgress(`${name}.sock`, answer);
    t.after(() => fake.close());
    return fake;
  };
  return { dial, meter, startEgress, refused };
}

const get = "GET http://a.example/ HTTP/1.1\r\n\r\n";

test("an end of one side is not the end of the other, and megabytes pass both ways and are counted", async (t) => {
  const { dial, startEgress, meter } = await bench(t);
  await startEgress(answerLength);
  const program = dial();
  const megabytes = Buffer.alloc(5 << 20, "x");
  program.end(megabytes);
  assert.equal(await text(program), String(megabytes.length));
  const told = meter.tell();
  assert.deepEqual(
    [told?.connections, told?.bytes_sent, told?.bytes_received],
    [1, megabytes.length, String(megabytes.length).length],
  );

  const other = await bench(t);
  await other.startEgress((socket) => {
    socket.end(megabytes);
    socket.resume();
  });
  const reader = other.dial();
  assert.equal((await text(reader)).length, megabytes.length);
  assert.equal(reader.writable, true);
});

test("nothing is read faster than the other side takes it", async (t) => {
  const { dial, startEgress } = await bench(t);
  const begun = Promise.withResolvers<Socket>();
  await startEgress((socket) => begun.resolve(socket));
  const program = dial();
  const way = await begun.promise;
  program.write(Buffer.alloc(64 << 20));
  for (let left = -1; left !== program.writableLength; ) {
    left = program.writableLength;
    // Whoever would read on has the time to.
    for (let n = 0; n < 200; n += 1) await new Promise(setImmediate);
  }
  assert.ok(program.writableLength > 32 << 20);
  way.resume();
  await once(program, "drain");
});

test("a connection waits for an egress process that is not there yet", async (t) => {
  const { dial, startEgress } = await bench(t);
  const program = dial();
  program.write(get);
  await once(program, "connect");
  await startEgress();
  assert.match(await text(program), /^HTTP\/1.1 200 OK.*proxy GET/s);
});

test("after a while it is told that there is none: in HTTP where that is spoken, by an end elsewhere", async (t) => {
  const { dial } = await bench(t, { wait_ms: 1 });
  const program = dial();
  program.write(get);
  const answer = await text(program);
  assert.match(answer, /^HTTP\/1.1 503 Service Unavailable\r\ncontent-type: text\/plain/);
  assert.match(answer, /the administrator of the server has to see that `drover egress` runs/);
  program.end();

  const overTls = (await bench(t, { as: "tls", wait_ms: 1 })).dial();
  assert.equal(await text(overTls), "");
});

test("an egress process that dies breaks its connections, and the next ones reach the one after it", async (t) => {
  const { dial, startEgress, refused } = await bench(t);
  const carried = Promise.withResolvers<void>();
  const first = await startEgress((socket) => {
    socket.write("half an ans");
    carried.resolve();
  });
  const program = dial();
  program.write(get);
  await carried.promise;
  await first.close();
  await text(program).catch(() => {});

  const second = await startEgress();
  const later = dial();
  later.write(get);
  assert.match(await text(later), /200 OK/);
  second.refuse({ session_id: "sesn_a", sandbox_id: "sbx_a", host: "b.example", port: 1, reason: "told" });
  while (refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(refused, ["told"]);
});

test("one connection too many is refused by egress, with the reason", async (t) => {
  const { dial, startEgress, refused } = await bench(t, { connections_max: 1 });
  const egress = await startEgress();
  const first = dial();
  await once(first, "connect");
  const second = dial();
  second.write(get);
  assert.match(await text(second), /403 Forbidden.*as many connections open as it may, 1/s);
  assert.equal(refused.length, 1);
  assert.match(refused[0] ?? "", /as many connections/);
  first.write(get);
  assert.match(await text(first), /200 OK/);
  assert.equal(egress.carried.length, 2);
});

test("far too many are closed without a word", async (t) => {
  const { dial, startEgress } = await bench(t, { connections_max: 1 });
  await startEgress((socket) => socket.resume());
  const open = Array.from({ length: 1 + limits.network_refused_open_max }, dial);
  await Promise.all(open.map((socket) => once(socket, "connect")));
  assert.equal(await text(dial()), "");
});

test("a connection that uses up the bytes is cut, and the next one is refused", async (t) => {
  const { dial, startEgress } = await bench(t, { bytes_max: 1 << 20 });
  await startEgress((socket, { refuse }) => {
    socket.resume();
    if (refuse === null) socket.write(Buffer.alloc(8 << 20));
    else socket.end(refuse);
  });
  const program = dial();
  let received = 0;
  program.on("data", (chunk) => {
    received += chunk.length;
  });
  await finished(program, { writable: false }).catch(() => {});
  assert.ok(received < 8 << 20);
  const next = dial();
  assert.match(await text(next), /has used the 1 MB of network traffic/);
});
