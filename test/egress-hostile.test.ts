import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, mock, test } from "node:test";
import { type ConnectionOptions, createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import fc from "fast-check";
import { limits } from "../src/limits.ts";
import type { CarryLine } from "../src/net/egress-wire.ts";
import {
  ask,
  certificateOf,
  type EgressRig,
  egressRig,
  limitedTo,
  listen,
  readAll,
  upstreamAddress,
} from "./harness/egress.ts";

let rig: EgressRig;
/** What names lead to, in turn; without any, to where the servers are. */
const answers: string[][] = [];
const servers: Server[] = [];
/** Requests that have reached a host, and connections that have reached this machine's own loopback. */
const reached: string[] = [];
let strangers = 0;
let port = 0;
let tlsPort = 0;
let tls: Awaited<ReturnType<typeof certificateOf>>;

before(async () => {
  rig = await egressRig(() => answers.shift() ?? [upstreamAddress]);
  tls = await certificateOf(rig.folder, "up.test", "other.test");
  const http = createHttpServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    request.resume().on("end", () => response.end("here"));
  });
  const secure = createTlsServer(tls, (socket) => {
    socket.on("error", () => {});
    reached.push(`TLS ${socket.servername}`);
    socket.end("here");
  });
  port = await listen(http);
  tlsPort = await listen(secure);
  // What a name that changes its mind would lead to.
  const own = createServer((socket) => {
    strangers += 1;
    socket.destroy();
  });
  own.listen(port, "127.0.0.1");
  await once(own, "listening");
  servers.push(http, secure, own);
});
after(async () => {
  for (const server of servers) server.close();
  await rig.stop();
  assert.equal(strangers, 0);
  assert.deepEqual(rig.troubles, []);
});

const get = (url: string) => `GET ${url} HTTP/1.1\r\nHost: up.test\r\nConnection: close\r\n\r\n`;
const tunnelTo = (to: string) => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`;
/** That nothing of what others have sent has changed what an honest program gets. */
async function worksStill(): Promise<void> {
  assert.match(await ask(rig, get(`http://up.test:${port}/still`)), /\r\n\r\nhere$/);
}

describe("an address that is nobody else's", () => {
  const spellings = [
    ...[
      "169.254.169.254",
      "2852039166",
      "0xa9fea9fe",
      "0xA9.0xFE.0xA9.0xFE",
      "0251.0376.0251.0376",
      "169.254.43518",
    ],
    ...[
      "169.254.169.254.",
      "１６９.254.169.254",
      "169%2e254.169.254",
      "[::ffff:169.254.169.254]",
      "[::ffff:a9fe:a9fe]",
    ],
    ...[
      "[0:0:0:0:0:FFFF:A9FE:A9FE]",
      "[64:ff9b::169.254.169.254]",
      "[2002:a9fe:a9fe::]",
      "[::169.254.169.254]",
    ],
    ...[
      "[fd00:ec2::254]",
      "[fe80::a9fe:a9fe]",
      "169.254.170.2",
      "100.100.100.200",
      "192.0.0.192",
      "168.63.129.16",
    ],
    ...["127.0.0.1", "127.1", "0", "0.0.0.0", "017700000001", "[::1]", "[::]", "[::ffff:7f00:1]"],
    ...[
      "10.0.0.1",
      "172.16.0.1",
      "192.168.0.1",
      "100.64.0.1",
      "[fc00::1]",
      "[fec0::1]",
      "224.0.0.1",
      "255.255.255.255",
    ],
  ];
  for (const host of spellings) {
    test(`is not reached as ${host}`, async () => {
      const [resolved, told] = [rig.resolved.length, rig.refused.length];
      for (const text of [get(`http://${host}:${port}/`), tunnelTo(`${host}:${port}`)]) {
        const answer = await ask(rig, Buffer.from(text, "utf8"));
        // What is not written in ASCII is no request.
        assert.match(answer, /^HTTP\/1\.1 (403 Drover does not let|400 )/, answer);
      }
      assert.equal(rig.resolved.length, resolved);
      if (/^[\x20-\x7e]*$/.test(host)) await rig.until(() => rig.refused.length === told + 2 || undefined);
    });
  }

  test("is not reached by names that lead there, one of several among them", async () => {
    for (const address of [
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "::ffff:127.0.0.1",
      "fe80::1%lo",
      "nonsense",
    ]) {
      answers.push([address], [upstreamAddress, address]);
      for (const text of [get(`http://evil.test:${port}/`), tunnelTo(`evil.test:${port}`)])
        assert.match(await ask(rig, text), /^HTTP\/1\.1 403 .*evil\.test is not a public address/, address);
    }
  });

  test("is not reached by a name that changes its mind", async () => {
    for (let i = 0; i < 5; i += 1) {
      answers.push([upstreamAddress], ["127.0.0.1"]);
      const before = rig.resolved.length;
      assert.match(await ask(rig, get(`http://rebinding.test:${port}/`)), /\r\n\r\nhere$/);
      assert.equal(rig.resolved.length, before + 1);
      assert.match(await ask(rig, get(`http://rebinding.test:${port}/`)), /^HTTP\/1\.1 403 /);
    }
  });

  test("is not reached by a name that nobody has", async () => {
    answers.push([]);
    const answer = await ask(rig, get(`http://nowhere.test:${port}/`));
    assert.match(answer, /^HTTP\/1\.1 502 Drover cannot reach nowhere\.test:\d+ .*has no address in the DNS/);
  });
});

test("registries are reached where package managers may install, the configured one too", async () => {
  const network = { ...limitedTo(), package_managers: true };
  assert.match(await ask(rig, get(`http://mirror.test:${port}/`), { network }), /\r\n\r\nhere$/);
  const closed = await ask(rig, get(`http://mirror.test:${port}/`), { network: limitedTo() });
  assert.match(closed, /^HTTP\/1\.1 403 .*turn on allow_package_managers/);
});

describe("what is not for a proxy", () => {
  const cases: [text: string, answer: RegExp, line?: Partial<CarryLine>][] = [
    ["GET / HTTP/1.1\r\nHost: up.test\r\n\r\n", /^HTTP\/1\.1 400 This is the proxy of a Drover sandbox/],
    [get("https://up.test/"), /^HTTP\/1\.1 400 This is the proxy/],
    [get("ftp://up.test/"), /^HTTP\/1\.1 400 /],
    [get("http://ada:secret@up.test/"), /^HTTP\/1\.1 400 /],
    [get("http:///"), /^HTTP\/1\.1 400 /],
    [get("http://up.test:0/"), /^HTTP\/1\.1 400 /],
    [tunnelTo("up.test"), /^HTTP\/1\.1 400 CONNECT needs a host and a port/],
    [tunnelTo("ada@up.test:443"), /^HTTP\/1\.1 400 /],
    [tunnelTo("http://up.test:443"), /^HTTP\/1\.1 400 /],
    [tunnelTo("up.test:443"), /^HTTP\/1\.1 400 /, { as: "http" }],
    ["GET / HTTP/1.1\r\n\r\n", /^HTTP\/1\.1 400 .*needs one Host header/, { as: "http" }],
    ["GET / HTTP/1.1\r\nHost: up.test\r\nHost: other.test\r\n\r\n", /^HTTP\/1\.1 400 /, { as: "http" }],
    ["GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", /^HTTP\/1\.1 400 /, { as: "http" }],
    [get("http://up.test:25/"), /^HTTP\/1\.1 403 .*port 25 is closed to every sandbox/],
  ];
  for (const [text, expected, line] of cases) {
    test(`${JSON.stringify(text.split("\r\n\r\n")[0])} is answered safely`, async () => {
      assert.match(await ask(rig, text, line), expected);
    });
  }
});

describe("a request that two might read differently", () => {
  const post = (head: string, body: string) =>
    `POST http://up.test:${port}/smuggled HTTP/1.1\r\nHost: up.test\r\n${head}\r\n\r\n${body}`;
  const smuggled = "GET /inner HTTP/1.1\r\nHost: up.test\r\n\r\n";
  const cases: Record<string, () => string> = {
    "two lengths": () => post("Content-Length: 4\r\nContent-Length: 5", "abcde"),
    "a length and chunks": () =>
      post("Content-Length: 4\r\nTransfer-Encoding: chunked", `0\r\n\r\n${smuggled}`),
    "chunks and a length": () =>
      post("Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${smuggled}`),
    "a length with a sign": () => post("Content-Length: +4", "abcd"),
    "a list of lengths": () => post("Content-Length: 4, 4", "abcd"),
    "chunks of another spelling": () => post("Transfer-Encoding: xchunked", `0\r\n\r\n${smuggled}`),
    "chunks twice": () =>
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", `0\r\n\r\n${smuggled}`),
    "a coding before the chunks": () => post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
    "a space before the colon": () => post("Transfer-Encoding : chunked", `0\r\n\r\n${smuggled}`),
    "a folded header": () => post("X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: x", smuggled),
    "a NUL in a header": () => post("X: a\0b", ""),
    "a bare CR": () => post("X: a\rTransfer-Encoding: chunked", ""),
    "a chunk size that overflows": () => post("Transfer-Encoding: chunked", "10000000000000000\r\n"),
    "a chunk size with a sign": () => post("Transfer-Encoding: chunked", "-1\r\n\r\n"),
    "another version": () => `GET http://up.test:${port}/smuggled HTTP/9.9\r\nHost: up.test\r\n\r\n`,
    "the preface of HTTP/2": () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  };
  for (const [name, text] of Object.entries(cases)) {
    test(`${name} is never more than one to the host`, async () => {
      const before = reached.length;
      const answer = await ask(rig, text());
      const heads = reached.slice(before);
      assert.ok(heads.every((head) => head === "POST /smuggled") && heads.length <= 1, `${heads}`);
      assert.doesNotMatch(answer, /^HTTP\/1\.1 200/);
      await worksStill();
    });
  }

  test("Connection cannot take the length of a body from the host", async () => {
    const before = reached.length;
    const answer = await ask(
      rig,
      post(`Content-Length: ${smuggled.length}\r\nConnection: content-length, host, close`, smuggled),
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.deepEqual(reached.slice(before), ["POST /smuggled"]);
  });
});

describe("too much", () => {
  test("of a head is refused, in one header and in many", async () => {
    const head = `GET http://up.test:${port}/ HTTP/1.1\r\nHost: up.test\r\n`;
    for (const more of [`X: ${"a".repeat(70_000)}`, "X: 1\r\n".repeat(40_000), `${"x".repeat(70_000)}: 1`])
      assert.match(await ask(rig, `${head}${more}\r\n\r\n`), /^HTTP\/1\.1 431 Drover reads 65536 bytes/);
  });

  test("is not what is less: no header is left out", async () => {
    const counting = createHttpServer({ maxHeaderSize: 1 << 20 }, ({ rawHeaders }, response) =>
      response.end(`${rawHeaders.filter((each) => each === "X-Many").length}`),
    );
    counting.maxHeadersCount = 0;
    servers.push(counting);
    const at = await listen(counting);
    const text = get(`http://up.test:${at}/`).replace(
      "Connection",
      `${"X-Many: 1\r\n".repeat(5_000)}Connection`,
    );
    assert.match(await ask(rig, text), /\r\n5000\r\n|\r\n\r\n5000$/);
  });

  test("time for a head is not given", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const silent = rig.dial();
      const slow = rig.dial();
      const [silence, slowness] = [readAll(silent), readAll(slow)];
      slow.write("GET http://up.test/ HTTP/1.1\r\n");
      // The second connection is read after the first: an answer on a third shows that both are.
      await worksStill();
      mock.timers.tick(limits.egress_head_ms);
      for (const socket of [silent, slow]) socket.end();
      for (const answer of [await silence, await slowness])
        assert.match(answer, /^HTTP\/1\.1 408 Drover has waited/);
    } finally {
      mock.timers.reset();
    }
  });

  test("requests at once on one connection reach their host up to a number", async () => {
    const [most, count] = [limits.egress_requests_per_connection_max, 200];
    const waiting: ServerResponse[] = [];
    const slow = createHttpServer((_, response) => {
      waiting.push(response);
      if (waiting.length === most) for (const each of waiting) each.end("here");
    });
    servers.push(slow);
    const text = get(`http://up.test:${await listen(slow)}/`).replace("Connection: close\r\n", "");
    const answer = await ask(rig, text.repeat(count));
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status);
    const expected = Array.from({ length: count }, (_, i) => (i < most ? "200" : "503"));
    assert.deepEqual(statuses, expected);
  });

  test("at once on one connection, a tunnel before an answer, ends it", async () => {
    const silent = createHttpServer(() => {});
    servers.push(silent);
    const first = get(`http://up.test:${await listen(silent)}/`).replace("Connection: close\r\n", "");
    const text = first + tunnelTo(`up.test:${port}`);
    assert.equal(await ask(rig, text), "");
  });

  test("connections of one sandbox at once are all served", async () => {
    const all = await Promise.all(
      Array.from({ length: 300 }, () => ask(rig, get(`http://up.test:${port}/`))),
    );
    assert.ok(all.every((answer) => answer.endsWith("\r\n\r\nhere")));
  });

  test("of small pieces is carried in few: nobody holds one for each byte", async () => {
    const count = 20_000;
    const chunked = `Transfer-Encoding: chunked\r\n\r\n${"1\r\nz\r\n".repeat(count)}0\r\n\r\n`;
    let heard = "";
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        heard += chunk;
        if (heard.endsWith("0\r\n\r\n")) socket.end(`HTTP/1.1 200 OK\r\n${chunked}`);
      });
    });
    servers.push(server);
    const at = await listen(server);
    const post = `POST http://up.test:${at}/ HTTP/1.1\r\nHost: up.test\r\nConnection: close\r\n${chunked}`;
    for (const carried of [await ask(rig, post), heard]) {
      const [, body = ""] = carried.split("\r\n\r\n");
      const sizes = body.match(/^[0-9a-f]+(?=\r\n)/gm) ?? [];
      assert.equal(
        sizes.reduce((sum, size) => sum + Number.parseInt(size, 16), 0),
        count,
      );
      assert.ok(sizes.length < count / 50, `${sizes.length} pieces`);
    }
  });

  test("for a watcher that does not read ends its connection, and no other one", async () => {
    const lazy = connect(rig.socket_path);
    lazy.on("error", () => {});
    lazy.write('{"type":"watch"}\n');
    const closed = once(lazy, "close");
    await once(lazy, "connect");
    const refuse = "x".repeat(2_000);
    const told = rig.refused.length;
    const requests = 1.5 * (limits.egress_watch_backlog_bytes_max / refuse.length);
    const text = get(`http://up.test:${port}/`).replace("Connection: close\r\n", "").repeat(20);
    for (let sent = 0; sent < requests; sent += 20) await ask(rig, text, { refuse });
    lazy.resume();
    await closed;
    await rig.until(() => rig.refused.length >= told + requests || undefined);
  });
});

describe("TLS within CONNECT, where hosts are limited,", () => {
  const network = limitedTo("up.test", "other.test");

  /** What a TLS client gets through a tunnel to `up.test`, or how it fails. */
  async function hello(options: ConnectionOptions, line: Partial<CarryLine>): Promise<string> {
    const socket = rig.dial(line);
    socket.write(tunnelTo(`up.test:${tlsPort}`));
    const [head] = await once(socket, "data");
    assert.match(String(head), /^HTTP\/1\.1 200 /);
    const secure = tlsConnect({ socket, ca: tls.ca, checkServerIdentity: () => undefined, ...options });
    return new Promise((resolve) => {
      secure.on("data", (bytes) => resolve(String(bytes)));
      secure.on("error", (error) => resolve(error.message));
    });
  }

  test("reaches the host of the tunnel, another allowed one, and a host that it does not name", async () => {
    for (const servername of ["up.test", "other.test", undefined])
      assert.equal(await hello({ servername }, { network }), "here", servername);
  });

  test("is cut when it asks for a host that is not allowed, which is told", async () => {
    const [before, told] = [reached.length, rig.refused.length];
    assert.match(await hello({ servername: "evil.test" }, { network }), /alert access denied/);
    const line = await rig.until(() => rig.refused[told]);
    assert.deepEqual([line.host, line.port], ["up.test", tlsPort]);
    assert.match(
      line.reason,
      /asked the TLS server there for evil\.test: it is not one of the allowed_hosts/,
    );
    assert.equal(reached.length, before);
    assert.equal(await hello({ servername: "evil.test" }, {}), "here");
  });

  test("is cut when it cannot be read, however it is cut into pieces", async () => {
    for (const bytes of [
      "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
      "\x15\x03\x03\x00\x02\x01\x00",
      "\x16\x03\x01\x00",
    ]) {
      const told = rig.refused.length;
      const answer = await ask(rig, tunnelTo(`up.test:${tlsPort}`) + bytes, { network });
      assert.match(answer, /^HTTP\/1\.1 200 .*\r\n\r\n\x15\x03\x03\x00\x02\x02\x31$/);
      assert.match((await rig.until(() => rig.refused[told])).reason, /begins like TLS and cannot be read/);
    }
  });

  test("leaves alone what is none: a server that speaks first, and one that is spoken to in clear", async () => {
    const greeting = createServer((socket) => {
      socket.write("220 hello\r\n");
      socket.once("data", (bytes) => socket.end(`you said ${bytes}`));
    });
    servers.push(greeting);
    const at = await listen(greeting);
    const socket = rig.dial({ network });
    const heard = readAll(socket);
    const greeted = new Promise<void>((resolve) =>
      socket.on("data", (bytes) => String(bytes).includes("220 hello") && resolve()),
    );
    socket.write(tunnelTo(`up.test:${at}`));
    await greeted;
    socket.end("EHLO");
    assert.match(await heard, /220 hello\r\nyou said EHLO$/);
    assert.match(await ask(rig, tunnelTo(`up.test:${port}`) + get("/x"), { network }), /here$/);
  });

  test("of a program that knows of no proxy has to name a host", async () => {
    const told = rig.refused.length;
    assert.equal(await ask(rig, "GET / HTTP/1.1\r\n\r\n", { as: "tls" }), "\x15\x03\x03\x00\x02\x02\x31");
    const line = await rig.until(() => rig.refused[told]);
    assert.deepEqual(
      [line.host, line.port, line.reason],
      ["", 443, "the program has not named a host in a TLS hello"],
    );
  });
});

describe("a host that misbehaves", () => {
  const cases: Record<string, string> = {
    "says nothing": "",
    "says something else": "SSH-2.0-OpenSSH_9\r\n",
    "has no status": "HTTP/1.1 abc OK\r\n\r\n",
    "has a status that is none": "HTTP/1.1 099 Odd\r\n\r\n",
    "gives two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "gives a length and chunks":
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "puts a NUL into a header": "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    "puts a NUL into the reason": "HTTP/1.1 200 O\0K\r\n\r\n",
    "changes the protocol unasked": "HTTP/1.1 101 Sure\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "has no end of a head": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(200_000)}`,
  };
  for (const [name, text] of Object.entries(cases)) {
    test(`and ${name} is a 502, and nobody else's trouble`, async () => {
      const bad = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.end(text, "latin1"));
      });
      servers.push(bad);
      const at = await listen(bad);
      assert.match(
        await ask(rig, get(`http://up.test:${at}/`)),
        /^HTTP\/1\.1 502 Drover cannot reach up\.test/,
      );
      await worksStill();
    });
  }

  test("and tells a program to go on without end is heard once, and only where that was asked", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000));
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere");
    });
    const hostile = await listen(server);
    servers.push(server);
    const continues = async (headers: string) => {
      const post = `POST http://up.test:${hostile}/ HTTP/1.1\r\nHost: up.test\r\nConnection: close\r\n`;
      const answer = await ask(rig, `${post}Content-Length: 1\r\n${headers}\r\nx`);
      assert.match(answer, /HTTP\/1.1 200 OK.*here$/s);
      return answer.match(/100 Continue/g)?.length ?? 0;
    };
    assert.equal(await continues("Expect: 100-continue\r\n"), 1);
    assert.equal(await continues(""), 0);
  });

  test("and resets the connection after the head of its answer has that carried", async () => {
    const bad = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () =>
        socket.write("HTTP/1.1 200 OK\r\nX: y\r\n\r\n", () => socket.resetAndDestroy()),
      );
    });
    servers.push(bad);
    const at = await listen(bad);
    const answer = await ask(rig, get(`http://up.test:${at}/`));
    // Whether the reset comes before the head is read is the machine's to say.
    assert.match(answer, /^HTTP\/1\.1 (200 OK\r\nX: y\r\n|502 )/);
  });

  test("and closes before it has read a request has its answer carried all the same", async () => {
    const bad = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"));
    });
    servers.push(bad);
    const at = await listen(bad);
    const text = `POST http://up.test:${at}/ HTTP/1.1\r\nHost: up.test\r\nContent-Length: 5000000\r\n\r\n`;
    assert.match(
      await ask(rig, Buffer.concat([Buffer.from(text), Buffer.alloc(5_000_000)])),
      /^HTTP\/1\.1 413 Too Large\r\n.*no$/s,
    );
  });
});

test("a connection that does not begin as it should is closed, and no other one", async () => {
  for (const text of [
    "",
    "\n",
    "{}\n",
    "nonsense\n",
    '{"type":"carry"}\n',
    "x".repeat(limits.egress_line_bytes_max + 1),
  ]) {
    const socket = connect({ path: rig.socket_path, allowHalfOpen: true });
    socket.on("error", () => {});
    const answer = readAll(socket);
    socket.on("end", () => socket.end());
    if (text === "") socket.end();
    else socket.write(text);
    assert.equal(await answer, "", text.slice(0, 20));
  }
  await worksStill();
});

test("bytes of every kind on many connections harm nobody", async () => {
  const honest = rig.dial();
  honest.write(tunnelTo(`up.test:${port}`));
  assert.match(String((await once(honest, "data"))[0]), /^HTTP\/1\.1 200 /);

  const clientHello = await helloOf("up.test");
  const wellFormed = [
    get(`http://up.test:${port}/fuzzed`),
    tunnelTo(`up.test:${port}`) + get("/fuzzed"),
    `POST http://up.test:${port}/fuzzed HTTP/1.1\r\nHost: up.test\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n`,
    `GET http://up.test:${port}/fuzzed HTTP/1.1\r\nHost: up.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ].map((text) => Buffer.from(text, "latin1"));
  const tunnelled = Buffer.concat([Buffer.from(tunnelTo(`up.test:${tlsPort}`)), clientHello]);
  const begun = fc.constantFrom(...wellFormed, tunnelled, clientHello);
  const change = fc.record({
    at: fc.nat(2_000),
    drop: fc.nat(8),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc
        .constantFrom(
          "\r\n",
          "\r\n\r\n",
          "\0",
          " ",
          ":",
          "HTTP/1.1",
          "http://",
          "Content-Length: 1\r\n",
          "CONNECT ",
        )
        .map((text) => Buffer.from(text)),
    ),
  });
  const bytes = fc.tuple(begun, fc.array(change, { maxLength: 6 })).map(([start, changes]) =>
    changes.reduce<Buffer>((so_far, { at, drop, put }) => {
      const where = at % (so_far.length + 1);
      return Buffer.concat([so_far.subarray(0, where), put, so_far.subarray(where + drop)]);
    }, start),
  );
  const connection = fc.record({
    bytes: fc.oneof(
      { weight: 6, arbitrary: bytes },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
    ),
    cut: fc.nat(),
    end: fc.constantFrom("end", "destroy"),
    as: fc.constantFrom("proxy", "http", "tls"),
    limited: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(connection, { minLength: 20, maxLength: 40 }), async (connections) => {
      const done = connections.map(async ({ bytes, cut, end, as, limited }) => {
        const socket = rig.dial({
          as,
          port: as === "tls" ? tlsPort : port,
          ...(limited && { network: limitedTo("up.test") }),
        });
        const closed = once(socket, "close");
        socket.resume();
        socket.write(bytes.subarray(0, cut % (bytes.length + 1)));
        socket.write(bytes.subarray(cut % (bytes.length + 1)), () => {
          if (end === "end") socket.end();
          else socket.destroy();
        });
        await closed;
      });
      await Promise.all(done);
      await worksStill();
    }),
    { seed: Number(process.env.DROVER_TEST_SEED ?? 1), numRuns: 40 },
  );

  const answer = readAll(honest);
  honest.end(get("/honest"));
  assert.match(await answer, /here$/);
});

/** What a TLS client says first. */
async function helloOf(servername: string): Promise<Buffer> {
  const server = createServer();
  const at = await listen(server);
  const client = tlsConnect({ host: upstreamAddress, port: at, servername });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  const [bytes] = await once(socket, "data");
  socket.destroy();
  server.close();
  return bytes;
}
