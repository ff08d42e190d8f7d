import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { limits } from "../limits.ts";
import { joined } from "./joined.ts";

interface Served {
  message: IncomingMessage;
  body: Readable;
}

/** A request or an answer whose body is in chunks of one byte, and the socket that says them. */
const kinds = {
  async request(t: TestContext) {
    const { promise, resolve } = Promise.withResolvers<Served>();
    const server = createServer((message, response) => {
      if (message.url === "/other") return void response.end();
      resolve({ message, body: joined(message) });
    });
    const port = await listening(t, server);
    const far = connect(port, "127.0.0.1").on("error", () => {});
    t.after(() => far.destroy());
    far.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    return { ...(await promise), far, turns: turnsOf(port) };
  },
  async answer(t: TestContext) {
    const { promise: came, resolve: connected } = Promise.withResolvers<Socket>();
    const server = createServer((message, response) => {
      if (message.url === "/other") return void response.end();
      message.socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      connected(message.socket);
    });
    const port = await listening(t, server);
    const asked = request({ port, host: "127.0.0.1", agent: false }).end();
    asked.on("error", () => {});
    t.after(() => asked.destroy());
    const { promise, resolve } = Promise.withResolvers<Served>();
    asked.once("response", (message) => resolve({ message, body: joined(message) }));
    return { ...(await promise), far: await came, turns: turnsOf(port) };
  },
};

async function listening(t: TestContext, server: ReturnType<typeof createServer>): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** What else the process has to do, long enough for it to read all that it would. */
const turnsOf = (port: number) => async () => {
  for (let n = 0; n < 30; n += 1) await (await fetch(`http://127.0.0.1:${port}/other`)).text();
};

const chunksOf = (text: string) => [...text].map((each) => `1\r\n${each}\r\n`).join("");
const text = Array.from({ length: 60_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");

for (const [kind, begin] of Object.entries(kinds)) {
  test(`of the body of a ${kind} that comes byte by byte there are few pieces`, async (t) => {
    const { body, far } = await begin(t);
    far.write(`${chunksOf(text)}0\r\n\r\n`);
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString(), text);
    // A read brings thousands of them.
    assert.ok(pieces.length < 1_000, `${pieces.length} pieces`);
  });

  test(`of the body of a ${kind} that nobody reads no more is taken than may be held, and then all of it`, async (t) => {
    const { message, body, far, turns } = await begin(t);
    const before = message.socket.bytesRead;
    // Six bytes for each of the body.
    const whole = text.repeat(5);
    far.write(`${chunksOf(whole)}0\r\n\r\n`);
    await turns();
    const read = message.socket.bytesRead - before;
    const once = 64 << 10;
    assert.ok(read <= 6 * limits.egress_body_held_bytes_max + 2 * once, `${read} bytes`);
    assert.equal(message.readableLength, 0);
    let heard = "";
    for await (const piece of body) heard += piece;
    assert.equal(heard, whole);
  });

  test(`of the body of a ${kind} that breaks off the reader hears`, async (t) => {
    const { body, far } = await begin(t);
    far.write(chunksOf("abc"));
    const reading = (async () => {
      let heard = "";
      for await (const piece of body) {
        heard += piece;
        if (heard === "abc") far.destroy();
      }
    })();
    await assert.rejects(reading, { code: "ECONNRESET" });
  });
}
