import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { before, describe, test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import fc from "fast-check";
import { readOpening } from "./client-hello.ts";

const seed = Number(process.env.DROVER_TEST_SEED ?? 1);
const most = 16 << 10;
const read = (bytes: Buffer) => readOpening(bytes, most);

/** What a real client says first. */
async function hello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, ...options });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** The same message in records of so many bytes. */
function inRecords(bytes: Buffer, size: number): Buffer {
  const message = bytes.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

let real: Buffer;
before(async () => {
  real = await hello({ servername: "up.test" });
});

describe("the name that a TLS client asks for", () => {
  test("is read from every kind of hello that Node makes", async () => {
    const kinds: ConnectionOptions[] = [
      { minVersion: "TLSv1.3" },
      { maxVersion: "TLSv1.2" },
      { ALPNProtocols: ["h2", "http/1.1"] },
      { ecdhCurve: "X25519:P-256" },
    ];
    for (const kind of kinds) {
      const bytes = await hello({ servername: "a.very.long.name.up.test", ...kind });
      assert.deepEqual(read(bytes), { kind: "hello", server_name: "a.very.long.name.up.test" });
    }
    assert.deepEqual(read(await hello({})), { kind: "hello", server_name: null });
  });

  test("is the same however the bytes are cut, and not told before they are all there", () => {
    for (const bytes of [real, inRecords(real, 1), inRecords(real, 7), inRecords(real, 300)]) {
      assert.deepEqual(read(bytes), { kind: "hello", server_name: "up.test" });
      for (let end = 0; end < bytes.length; ) {
        const opening = read(bytes.subarray(0, end));
        assert.ok(
          opening.kind === "undecided" && opening.needs > end && opening.needs <= bytes.length,
          `${end}`,
        );
        end += 1 + (end % 13);
      }
      const more = Buffer.concat([bytes, Buffer.from([20, 3, 3, 0, 1, 1])]);
      assert.deepEqual(read(more), { kind: "hello", server_name: "up.test" });
    }
  });

  test("is not looked for in what is no TLS", () => {
    for (const text of ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\0", "\x80\x2e\x01", "\x16\x02\x01\0\x05"])
      assert.deepEqual(read(Buffer.from(text, "latin1")), { kind: "not_tls" }, text);
  });

  test("is not guessed where two servers might read it differently", () => {
    const at = real.indexOf("up.test");
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(real);
      change(bytes);
      return read(bytes).kind;
    };
    const extension = at - 9;
    assert.equal(real.readUInt16BE(extension), 0);
    assert.equal(
      changed((bytes) => bytes.writeUInt8(1, at - 3)),
      "broken",
      "a name of another kind",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt16BE(6, at - 2)),
      "broken",
      "a name with something behind it",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt16BE(8, at - 2)),
      "broken",
      "a name that is longer than the list",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt8(0, at)),
      "broken",
      "a NUL in the name",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt8(21, 0)),
      "broken",
      "an alert first",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt8(2, 5)),
      "broken",
      "not a ClientHello",
    );
    assert.equal(
      changed((bytes) => bytes.writeUInt16BE(0, 3)),
      "broken",
      "an empty record",
    );
    assert.equal(
      changed((bytes) => bytes.writeUIntBE(most + 1, 6, 3)),
      "broken",
      "a huge message",
    );
    assert.equal(twoNames(real, extension), "broken", "two names");
    const last = lastExtension(real);
    for (const more of [-1, 1])
      assert.equal(
        changed((bytes) => bytes.writeUInt16BE(bytes.readUInt16BE(last + 2) + more, last + 2)),
        "broken",
        "an extension that does not end where all of them do",
      );
    assert.equal(
      read(Buffer.concat([inRecords(real, 50).subarray(0, 55), Buffer.from([23, 3, 3, 0, 1, 0])])).kind,
      "broken",
    );
  });

  test("is found, or nothing is, whatever the bytes are", () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 20 })
      .map((changes) => {
        const bytes = Buffer.from(real);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const any = fc
      .uint8Array({ maxLength: 400 })
      .map((bytes) => Buffer.concat([Buffer.from([22, 3, 1]), bytes]));
    fc.assert(
      fc.property(fc.oneof(mutated, any, fc.uint8Array().map(Buffer.from)), (bytes) => {
        const opening = read(bytes);
        if (opening.kind !== "hello" || opening.server_name === null) return;
        assert.match(opening.server_name, /^[\x21-\x7e]{1,254}$/);
        assert.ok(bytes.includes(opening.server_name));
      }),
      { seed, numRuns: 5_000 },
    );
  });
});

/** Where the extensions' own length stands, behind version, random, session id, cipher suites and compression methods. */
function extensionsOf(bytes: Buffer): number {
  const suites = 9 + 2 + 32 + 1 + (bytes[9 + 2 + 32] ?? 0);
  const compression = suites + 2 + bytes.readUInt16BE(suites);
  return compression + 1 + (bytes[compression] ?? 0);
}

function lastExtension(bytes: Buffer): number {
  let at = extensionsOf(bytes) + 2;
  for (;;) {
    const next = at + 4 + bytes.readUInt16BE(at + 2);
    if (next >= bytes.length) return at;
    at = next;
  }
}

/** With the extension that holds the name once more at the end. */
function twoNames(bytes: Buffer, at: number): string {
  const extension = bytes.subarray(at, at + 4 + bytes.readUInt16BE(at + 2));
  const twice = Buffer.concat([bytes, extension]);
  const grow = (where: number, size: 2 | 3) =>
    twice.writeUIntBE(twice.readUIntBE(where, size) + extension.length, where, size);
  grow(3, 2);
  grow(6, 3);
  grow(extensionsOf(bytes), 2);
  return read(twice).kind;
}
