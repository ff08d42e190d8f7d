import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  Agent,
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import { createServer } from "node:https";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { ProxyAgent, WebSocket } from "undici";
import { limits } from "../src/limits.ts";
import type { SessionSecret } from "../src/net/vault-wire.ts";
import { certificateOf, limitedTo, listen, readAll } from "./harness/egress.ts";
import { gitBackend } from "./harness/git-backend.ts";
import { type InterceptionRig, interceptionRig, say } from "./harness/interception.ts";

const run = promisify(execFile);

const placeholder = "sk-ant-PLACEHOLDERplaceholder0001";
const secret = "sk-ant-the-real-and-secret-value1";
const token = "ghp_the-token-of-one-repository";

/** Of the credential that a test begins with: what is told late of the one before is not of it. */
let current = "";
const variable = (
  more: Partial<Extract<SessionSecret, { type: "environment_variable" }>>,
): SessionSecret => ({
  type: "environment_variable",
  id: current,
  placeholder,
  secret,
  hosts: ["up.test"],
  header: true,
  body: true,
  ...more,
});
/** One that is of another length than what stands for it. */
const odd = {
  id: "cred_odd",
  placeholder: "PLACEHOLDERof24characters",
  secret: "a longer secret, of more than that",
};

interface Heard {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let rig: InterceptionRig;
const ports = { https: 0, http: 0, stranger: 0, git: 0 };
const servers: Server[] = [];
const heard: Heard[] = [];
const connected = new Set<Socket>();
type Reply = (response: ServerResponse, told: Heard, request: IncomingMessage) => unknown;
let reply: Reply;
/** Instead of hearing all of a request first. */
let take: ((request: IncomingMessage, response: ServerResponse) => unknown) | null = null;

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (take !== null) return void take(request, response);
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { method = "", url = "", headers } = request;
  const told = { method, url, headers, body: Buffer.concat(parts).toString() };
  heard.push(told);
  await reply(response, told, request);
}

/** Takes a WebSocket, and says what it was told in the first, short message, between the secret and something else. */
function echoOnce(request: IncomingMessage, socket: Socket): void {
  heard.push({ method: "GET", url: request.url ?? "", headers: request.headers, body: "" });
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nx-echo: ${request.headers.authorization}\r\n\r\n`,
  );
  socket.on("error", () => {});
  socket.once("data", (frame: Buffer) => {
    const mask = frame.subarray(2, 6);
    const text = Buffer.from(frame.subarray(6).map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
    const said = Buffer.concat([Buffer.from(secret), text, Buffer.from("s")]);
    socket.write(Buffer.concat([Buffer.from([0x81, said.length]), said]));
  });
}

before(async () => {
  rig = await interceptionRig(["up.test", "other.test", "*.wild.test"]);
  const https = createServer(rig.tls, serve).on("upgrade", echoOnce);
  https.on("secureConnection", (socket: Socket) => {
    connected.add(socket);
    socket.on("close", () => connected.delete(socket));
  });
  const strange = join(rig.folder, "strange");
  mkdirSync(strange);
  const stranger = createServer(await certificateOf(strange, "up.test"), serve);
  const git = createServer(rig.tls, (request, response) => {
    heard.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body: "" });
    const basic = `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
    if (request.headers.authorization !== basic)
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    else void gitBackend(rig.folder)(request, response);
  });
  const http = createHttpServer(serve);
  servers.push(https, stranger, git, http);
  Object.assign(ports, {
    https: await listen(https),
    stranger: await listen(stranger),
    git: await listen(git),
    http: await listen(http),
  });
});
after(async () => {
  for (const server of servers) server.close();
  await rig.stop();
  assert.deepEqual(rig.troubles, []);
});
beforeEach(() => {
  heard.length = 0;
  take = null;
  current = `cred_${Number(current.slice(5)) + 1}`;
  reply = (response) => response.end("fine");
  rig.secrets.splice(0, rig.secrets.length, variable({}));
});

const environment = async (...line: Parameters<InterceptionRig["gate"]>) =>
  rig.environment(await rig.gate(...line));
const curl = async (...args: string[]) =>
  run("curl", ["-sS", "--max-time", "60", ...args], { env: await environment(), encoding: "utf8" });
const url = (path = "/") => `https://up.test:${ports.https}${path}`;
const asked = (text: string, ...headers: string[]) =>
  [text, `Host: up.test:${ports.https}`, "Connection: close", ...headers].join("\r\n").concat("\r\n\r\n");
const exchange = async (text: string) => say(await rig.tunnel(`up.test:${ports.https}`), text);

describe("a program of a session with a credential", () => {
  test("sends placeholders, the host gets secrets, and the program sees none of them", async () => {
    reply = (response, told) => response.setHeader("x-echo", told.headers.authorization ?? "").end(told.body);
    const args = ["-i", "-H", `Authorization: Bearer ${placeholder}`, "-d", `{"key":"${placeholder}"}`];
    const { stdout } = await curl(...args, url(`/v1/a?b=${placeholder}`));
    assert.equal(heard[0]?.headers.authorization, `Bearer ${secret}`);
    assert.equal(heard[0]?.body, `{"key":"${secret}"}`);
    assert.equal(heard[0]?.url, `/v1/a?b=${placeholder}`);
    assert.equal(heard[0]?.headers.host, `up.test:${ports.https}`);
    assert.equal(heard[0]?.headers["accept-encoding"], "identity");
    assert.ok(!stdout.includes(secret));
    assert.match(stdout, new RegExp(`x-echo: Bearer ${placeholder}`));
    assert.match(stdout, new RegExp(`\\{"key":"${placeholder}"\\}$`));
    assert.deepEqual(await rig.outcomes(current), ["sent 200"]);
  });

  test("gives it to curl as a password", async () => {
    await curl("-u", `ada:${placeholder}`, url());
    const basic = Buffer.from(`ada:${secret}`).toString("base64");
    assert.equal(heard[0]?.headers.authorization, `Basic ${basic}`);
  });

  test("may be Python, or Node with or without a proxy that it knows of", async () => {
    reply = (response, told) => response.end(told.headers["x-key"]);
    const python = `import urllib.request as r; print(r.urlopen(r.Request("${url()}", headers={"X-Key": "${placeholder}"})).read().decode())`;
    const node = `fetch("${url()}", {headers: {"x-key": "${placeholder}"}}).then(async (r) => console.log(await r.text()))`;
    const env = await environment();
    for (const [program, ...args] of [
      ["python3", "-c", python],
      [process.execPath, "--use-env-proxy", "-e", node],
    ] as const) {
      const { stdout } = await run(program, args, { env });
      assert.equal(stdout.trim(), placeholder, program);
    }
    const direct = await rig.gate({ as: "tls", port: ports.https });
    const args = ["--connect-to", `::127.0.0.1:${direct}`, "--noproxy", "*", "-H", `X-Key: ${placeholder}`];
    assert.equal((await curl(...args, url())).stdout, placeholder);
    assert.deepEqual(
      heard.map(({ headers }) => headers["x-key"]),
      Array(3).fill(secret),
    );
  });

  test("uploads much, in one go and as it goes, without that it is kept", async () => {
    const file = join(rig.folder, "upload");
    const text = `${"x".repeat(70_000)}${placeholder}`.repeat(40);
    writeFileSync(file, text);
    for (const how of [["-T"], ["-H", "Transfer-Encoding: chunked", "-T"]])
      await curl("-H", "Expect: 100-continue", ...how, file, url());
    for (const { body, headers } of heard) {
      assert.equal(body.length, text.length);
      assert.ok(body === text.replaceAll(placeholder, secret));
      assert.equal(headers.expect, "100-continue");
    }
    assert.equal(heard[0]?.headers["content-length"], String(text.length));
    assert.equal(heard[1]?.headers["transfer-encoding"], "chunked");
  });

  test("has one connection to the host for each of its own, and several requests on it", async () => {
    const { stdout } = await curl(url("/1"), url("/2"), url("/3"), "-w", "%{num_connects} ");
    assert.equal(stdout, "fine1 fine0 fine0 ");
    assert.equal(heard.length, 3);
    const secured = await rig.tunnel(`up.test:${ports.https}`);
    const pipelined = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: up.test\r\n\r\n`).join("");
    reply = (response, told) => response.end(`<${told.url}>`);
    const answer = await say(secured, `${pipelined}${asked("GET /4 HTTP/1.1")}`);
    assert.deepEqual(answer.match(/<.*>/g), ["</1>", "</2>", "</3>", "</4>"]);
  });

  test("says many things on one connection, each when the answer before is there", async () => {
    const secured = await rig.tunnel(`up.test:${ports.https}`);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => secured;
    let count = 0;
    // Before it has read a body.
    take = (asked, response) => {
      count += asked.headers["x-key"] === secret ? 1 : 0;
      asked.resume();
      response.end("x".repeat(2_000));
    };
    for (let n = 0; n < 100; n += 1) {
      const headers = { "x-key": placeholder };
      const said = request({ agent, host: "up.test", port: ports.https, method: "POST", headers });
      said.end(JSON.stringify({ question: placeholder }));
      const [answer] = (await once(said, "response")) as [IncomingMessage];
      let text = "";
      for await (const part of answer) text += part;
      assert.equal(text.length, 2_000);
    }
    assert.equal(count, 100);
    agent.destroy();
  });

  test("meets the end of the host's connection as its own", async () => {
    const secured = await rig.tunnel(`up.test:${ports.https}`);
    secured.write("GET / HTTP/1.1\r\nHost: up.test\r\n\r\n");
    await once(secured, "data");
    const ended = once(secured, "close");
    for (const socket of connected) socket.destroy();
    await ended;
  });

  test("uses what holds now: one that was changed, and none that is gone", async () => {
    const ask = () => curl("-H", `X-Key: ${placeholder}`, url());
    rig.secrets[0] = variable({ secret: "the next secret of this variable" });
    await ask();
    rig.secrets.pop();
    const env = { ...(await environment()), CURL_CA_BUNDLE: rig.tls.ca_file };
    await run("curl", ["-sS", "-H", `X-Key: ${placeholder}`, url()], { env });
    assert.deepEqual(
      heard.map(({ headers }) => headers["x-key"]),
      ["the next secret of this variable", placeholder],
    );
  });
});

describe("a secret that is archived or changed while a program takes its time", () => {
  const until = (done: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => (done() ? resolve() : void setTimeout(look, 5));
      look();
    });
  const gone = () =>
    rig.secrets.splice(0, rig.secrets.length, variable({ id: "cred_other", placeholder: "x".repeat(24) }));

  test("stands in no body that has begun before", async () => {
    for (const change of [
      gone,
      () => rig.secrets.splice(0, 1, variable({ secret: "the next secret of this variable!" })),
    ]) {
      const arrived: Buffer[] = [];
      take = (request) => request.on("data", (chunk) => arrived.push(chunk)).on("error", () => {});
      rig.secrets[0] = variable({});
      const secured = await rig.tunnel(`up.test:${ports.https}`);
      const answer = readAll(secured);
      const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
      secured.write(
        `POST / HTTP/1.1\r\nHost: up.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(`${placeholder}.`)}`,
      );
      await until(() => Buffer.concat(arrived).toString() === `${secret}.`);
      change();
      secured.write(chunk(`${placeholder}.`));
      secured.write(`0\r\n\r\n${asked("GET / HTTP/1.1")}`);
      assert.match(await answer, /^HTTP\/1\.1 502 .*changed or archived/);
      // The host's connection went with that request, and so does the program's.
      assert.doesNotMatch(await answer, /HTTP\/1\.1 200/);
      assert.equal(Buffer.concat(arrived).toString(), `${secret}.`);
    }
  });

  test("stands in no head that waits for its body, or for the request before it", async () => {
    rig.secrets.push(variable(odd));
    const waits = await rig.tunnel(`up.test:${ports.https}`);
    const answer = readAll(waits);
    waits.write(
      `POST / HTTP/1.1\r\nHost: up.test\r\nConnection: close\r\nX-Key: ${placeholder}\r\nContent-Length: 40\r\n\r\n`,
    );
    const behind = await rig.tunnel(`up.test:${ports.https}`);
    const answers = readAll(behind);
    let go = () => {};
    reply = (response) => {
      go = () => response.end("late");
    };
    behind.write(
      `GET /1 HTTP/1.1\r\nHost: up.test\r\n\r\n${asked("GET /2 HTTP/1.1", `X-Key: ${placeholder}`)}`,
    );
    await until(() => heard.length === 1);
    gone();
    reply = (response) => response.end("fine");
    go();
    await answers;
    waits.write("z".repeat(40));
    await answer;
    assert.deepEqual(
      heard.map(({ url, headers }) => [url, headers["x-key"]]),
      [
        ["/1", undefined],
        ["/2", placeholder],
        ["/", placeholder],
      ],
    );
  });
});

describe("a secret of another length than its placeholder", () => {
  beforeEach(() => {
    rig.secrets.push(variable(odd));
  });

  test("changes the length that a small body is announced with", async () => {
    await curl("-d", `a=${odd.placeholder}&b=${placeholder}`, url());
    await curl("-H", "Expect: 100-continue", "--expect100-timeout", "30", "-d", odd.placeholder, url());
    const [first, second] = heard;
    assert.equal(first?.body, `a=${odd.secret}&b=${secret}`);
    assert.equal(first?.headers["content-length"], String(first?.body.length));
    assert.equal(second?.body, odd.secret);
    // Where the answer to what was told comes too late, it is told again.
    assert.ok((await rig.outcomes(odd.id, 2)).every((outcome) => outcome === "sent 200"));
  });

  test("makes more be sent in chunks than are kept of a session at once", async () => {
    const size = limits.substituted_body_bytes_max;
    const count = limits.substituted_bodies_bytes_max / size;
    const arrived = new Promise<IncomingMessage>(
      (resolve) => (take = (request) => resolve(request.resume())),
    );
    const begin = async () => {
      const secured = await rig.tunnel(`up.test:${ports.https}`);
      await new Promise((resolve) =>
        secured.write(
          `POST / HTTP/1.1\r\nHost: up.test\r\nContent-Length: ${size}\r\nExpect: 100-continue\r\n\r\n`,
          resolve,
        ),
      );
      return secured;
    };
    const kept = [];
    for (let i = 0; i < count; i += 1) {
      const secured = await begin();
      // That it is kept is what the program is told to go on for.
      await once(secured, "data");
      kept.push(secured);
    }
    const more = await begin();
    assert.equal((await arrived).headers["transfer-encoding"], "chunked");
    for (const each of [...kept, more]) each.destroy();
    take = null;
    let length: string | undefined;
    // What was kept is let go of when the programs have.
    while (length === undefined) {
      await curl("-d", odd.placeholder, url());
      length = heard.at(-1)?.headers["content-length"];
    }
  });

  test("makes a large one be sent in chunks", async () => {
    const file = join(rig.folder, "large");
    const text = `${"y".repeat(1 << 20)}${odd.placeholder}`;
    writeFileSync(file, text);
    await curl("-T", file, url());
    assert.ok(heard[0]?.body === text.replace(odd.placeholder, odd.secret));
    assert.equal(heard[0]?.headers["transfer-encoding"], "chunked");
  });

  test("is redacted with asterisks, and no length changes", async () => {
    reply = (response) => response.setHeader("content-length", odd.secret.length).end(odd.secret);
    assert.equal((await curl(url())).stdout, "*".repeat(odd.secret.length));
  });
});

describe("a placeholder goes out as it is", () => {
  const literal = async (answered: Promise<unknown>) => {
    await answered;
    assert.ok(heard.length > 0);
    assert.ok(!JSON.stringify(heard).includes(secret));
    assert.ok(JSON.stringify(heard).includes(placeholder));
  };

  test("to a host that its credential does not name, whose connection nobody reads", async () => {
    const env = { ...(await environment()), CURL_CA_BUNDLE: rig.tls.ca_file };
    for (const host of ["other.test", "wild.test"]) {
      rig.secrets[0] = variable({ hosts: ["up.test", "*.wild.test"] });
      const args = ["-sS", "-k", "-H", `X-Key: ${placeholder}`, `https://${host}:${ports.https}/`];
      await literal(run("curl", args, { env }));
    }
    heard.length = 0;
    await curl("-H", `X-Key: ${placeholder}`, `https://a.wild.test:${ports.https}/`);
    assert.equal(heard[0]?.headers["x-key"], secret);
  });

  test("within http", async () => {
    await literal(curl("-H", `X-Key: ${placeholder}`, "-d", placeholder, `http://up.test:${ports.http}/`));
    await literal(curl("-p", "-H", `X-Key: ${placeholder}`, `http://up.test:${ports.http}/`));
  });

  test("where its credential does not let it", async () => {
    rig.secrets[0] = variable({ header: false });
    await literal(curl("-H", `X-Key: ${placeholder}`, url()));
    rig.secrets[0] = variable({ body: false });
    await literal(curl("-d", placeholder, url()));
  });

  test("within a body that is compressed, or encoded in another way", async () => {
    const file = join(rig.folder, "compressed");
    writeFileSync(file, gzipSync(placeholder.repeat(3)));
    await curl("-H", "Content-Encoding: gzip", "--data-binary", `@${file}`, url());
    await literal(curl("-H", "Content-Encoding: br", "-d", placeholder, url()));
    assert.ok(!rig.uses.some(({ id }) => id === current));
  });

  test("after a redirect to another host, and not on the way there", async () => {
    reply = (response, told) =>
      told.headers.host === `up.test:${ports.https}`
        ? response
            .writeHead(307, { location: `http://other.test:${ports.http}/next?${told.headers["x-key"]}` })
            .end()
        : response.end("there");
    const { stdout } = await curl("-L", "-H", `X-Key: ${placeholder}`, url());
    assert.equal(stdout, "there");
    assert.deepEqual(
      heard.map(({ headers }) => headers["x-key"]),
      [secret, placeholder],
    );
    assert.equal(heard[1]?.url, `/next?${placeholder}`);
  });
});

describe("nothing leaves", () => {
  test("to a host that the environment forbids, and the audit has it", async () => {
    const env = await environment({ network: limitedTo("other.test") });
    const args = ["-sS", "-H", `X-Key: ${placeholder}`, url()];
    await assert.rejects(run("curl", args, { env }), /403/);
    assert.deepEqual(await rig.outcomes(current), ["not sent: it is not allowed here"]);
    assert.equal(rig.refused.at(-1)?.host, "up.test");
  });

  test("to a host that has not proven to be it", async () => {
    const { stdout } = await curl("-H", `X-Key: ${placeholder}`, `https://up.test:${ports.stranger}/`);
    assert.match(stdout, /Drover has not sent this request: up\.test:\d+ has not proven to be that host/);
    assert.deepEqual(heard, []);
    assert.deepEqual(await rig.outcomes(current), ["not sent: it has not proven to be that host"]);
  });

  test("of a session with a pass while serve is away, but of one without; and then again", async () => {
    await rig.stopServe();
    const away = curl(url());
    rig.secrets.push(variable(odd));
    const others = { ...(await environment({ pass: null })), CURL_CA_BUNDLE: rig.tls.ca_file };
    assert.equal((await run("curl", ["-sS", url()], { env: others })).stdout, "fine");
    await rig.startServe();
    // It waited.
    assert.equal((await away).stdout, "fine");
  });

  test("in a header that a secret would end", async () => {
    rig.secrets[0] = variable({ secret: "two\r\nX-Lines: yes" });
    const { stdout } = await curl("-w", " %{http_code}", "-H", `X-Key: ${placeholder}`, url());
    assert.match(stdout, /holds a character that no header can\.\n 400$/);
    assert.deepEqual(heard, []);
    assert.deepEqual(await rig.outcomes(current), ["not sent: it cannot stand in a header"]);
  });
});

describe("an answer", () => {
  const echo = `you said ${secret}, ${Buffer.from(`:${secret}`).toString("base64")}`;
  const hidden = (text: string) => {
    assert.ok(!text.includes(secret) && !text.includes("the-real-and"), text);
    assert.ok(!text.includes(Buffer.from(secret).toString("base64").slice(0, 20)), text);
    return text;
  };

  test("that is compressed though nobody asked for that is read", async () => {
    for (const [coding, body] of [
      ["gzip", gzipSync(echo)],
      ["x-gzip", gzipSync(echo)],
      ["deflate", deflateSync(echo)],
      ["br", brotliCompressSync(echo)],
      ["zstd", zstdCompressSync(echo)],
      ["gzip, br", brotliCompressSync(gzipSync(echo))],
      ["identity", Buffer.from(echo)],
    ] as const) {
      reply = (response) =>
        response.writeHead(200, { "content-encoding": coding, "content-length": body.length }).end(body);
      const { stdout } = await curl("-i", url());
      assert.match(hidden(stdout), new RegExp(`you said ${placeholder}, `), coding);
      assert.doesNotMatch(stdout, /content-encoding: (?!identity)/i);
    }
  });

  test("that cannot be read is not carried", async () => {
    for (const headers of [
      { "content-encoding": "secret" },
      { "content-encoding": "gzip, gzip, gzip, gzip" },
      { "content-encoding": "gzip", "content-range": "bytes 0-9/90" },
      { "content-type": 'text/plain; format=flowed; Charset="IBM037"' },
      { "content-type": "text/plain;charset=utf-7" },
    ]) {
      reply = (response) => response.writeHead("content-range" in headers ? 206 : 200, headers).end(echo);
      const { stdout } = await curl("-w", "%{http_code}", url());
      assert.match(hidden(stdout), /Drover cannot read the answer of this host.*502$/s);
    }
    reply = (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(echo);
    await assert.rejects(curl(url()), /curl: \((18|56)\)/);
  });

  test("is redacted in its head and its trailers too", async () => {
    reply = (response) => {
      response.writeHead(200, `fine ${secret}`, {
        location: `/?${encodeURIComponent(secret)}`,
        "set-cookie": [`a=${secret}`, "b=2"],
        [secret]: "a name",
        trailer: "x-end",
      });
      response.write(".");
      response.addTrailers({ "x-end": secret, [`x-${secret}`]: "a name" });
      response.end();
    };
    const answer = hidden(await exchange(asked("GET / HTTP/1.1")));
    assert.match(answer, new RegExp(`^HTTP/1.1 200 fine ${placeholder}\r\n`));
    assert.match(answer, new RegExp(`\r\nx-end: ${placeholder}\r\n`));
    assert.match(answer, /set-cookie: b=2/);
    assert.equal(answer.split(`${placeholder}: a name`).length, 3);
  });

  test("without a body keeps its head", async () => {
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 304],
    ] as const) {
      reply = (response) =>
        response.writeHead(status, { etag: '"a"', ...(status === 200 && { "content-length": 1234 }) }).end();
      const answer = await exchange(asked(`${method} / HTTP/1.1`));
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} .*etag: "a"`, "s"));
      if (status === 200) assert.match(answer, /content-length: 1234/i);
    }
  });

  test("of a part is the same part, redacted", async () => {
    reply = (response) =>
      response.writeHead(206, { "content-range": "bytes 5-80/900", "content-length": echo.length }).end(echo);
    const { stdout } = await curl("-i", "-r", "5-80", url());
    assert.match(hidden(stdout), new RegExp(`content-length: ${echo.length}\r`));
    assert.equal(heard[0]?.headers.range, "bytes=5-80");
  });

  test("of a part is asked for by no request with a secret, of which each part could hold a piece", async () => {
    reply = (response) => response.end(echo);
    const { stdout } = await curl("-r", "0-12", "-H", `Authorization: Bearer ${placeholder}`, url());
    hidden(stdout);
    assert.equal(heard[0]?.headers.authorization, `Bearer ${secret}`);
    assert.equal(heard[0]?.headers.range, undefined);
  });

  test("that comes bit by bit comes so, and in no bit is a secret", async () => {
    const secured = await rig.tunnel(`up.test:${ports.https}`);
    let text = "";
    const waiting = new Set<() => void>();
    secured.on("data", (chunk) => {
      text += chunk;
      for (const look of waiting) look();
    });
    const until = (wanted: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => wanted.test(text) && resolve();
        waiting.add(look);
        look();
      });
    const open = Promise.withResolvers<ServerResponse>();
    reply = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      open.resolve(response);
    };
    secured.write(asked("GET /events HTTP/1.1"));
    const events = await open.promise;
    await until(/text\/event-stream/);
    events.write("data: 1\n\n");
    await until(/data: 1\n\n/);
    events.write(`data: ${secret.slice(0, 12)}`);
    await until(/data: \r\n/);
    events.write(`${secret.slice(12)}\n\n`);
    await until(new RegExp(`${placeholder}\n\n`));
    // A few letters that could begin one are no reason to wait for more.
    events.write("data: ask");
    await until(/data: a\r\n2\r\nsk/);
    events.end();
    hidden(text);
  });

  test("that lasts is redacted by what is a secret by now, and by what was one", async () => {
    const next = "sk-ant-the-next-and-secret-value2";
    const parts: ServerResponse[] = [];
    reply = (response, told) => {
      if (told.url === "/next") return response.end(told.headers["x-key"]);
      response.write("begun;");
      parts.push(response);
    };
    const lasting = await rig.tunnel(`up.test:${ports.https}`);
    const heard = readAll(lasting);
    lasting.write(asked("GET /lasts HTTP/1.1", `X-Key: ${placeholder}`));
    await once(lasting, "data");
    rig.secrets[0] = variable({ secret: next });
    const [response = assert.fail()] = parts;
    response.write(`<${next}>`);
    assert.match(
      await exchange(asked("GET /next HTTP/1.1", `X-Key: ${placeholder}`)),
      new RegExp(placeholder),
    );
    rig.secrets.splice(
      0,
      1,
      variable({ id: "cred_other", placeholder: "x".repeat(24), secret: "y".repeat(24) }),
    );
    await exchange(asked("GET /next HTTP/1.1"));
    response.end(`<${secret}><${next}><${"y".repeat(24)}>`);
    const text = await heard;
    for (const each of [secret, next, "y".repeat(24)]) assert.ok(!text.includes(each), text);
    assert.equal(text.split(`<${placeholder}>`).length, 4);
  });

  test("a WebSocket: its head has the secret, and what comes back has not", async () => {
    const dispatcher = new ProxyAgent({
      uri: `http://127.0.0.1:${await rig.gate()}`,
      requestTls: { ca: rig.ca },
    });
    const socket = new WebSocket(`wss://up.test:${ports.https}/chat`, {
      dispatcher,
      headers: { authorization: `Bearer ${placeholder}` },
    });
    await once(socket, "open");
    socket.send("<hello>");
    const [{ data }] = (await once(socket, "message")) as [{ data: Blob | string }];
    assert.equal(typeof data === "string" ? data : await data.text(), `${placeholder}<hello>s`);
    assert.equal(heard[0]?.headers.authorization, `Bearer ${secret}`);
    assert.equal(heard[0]?.headers["sec-websocket-extensions"], undefined);
    socket.close();
    await dispatcher.destroy();
    assert.deepEqual(await rig.outcomes(current), ["sent 101"]);
  });
});

describe("git", () => {
  const git = async (...args: string[]) =>
    run("git", ["-c", "user.name=a", "-c", "user.email=a@b.test", ...args], {
      env: { ...(await environment()), GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1" },
      encoding: "utf8",
    });

  test("clones and pushes with the token of that very repository, which is in nothing that it has", async () => {
    const repository = `https://up.test:${ports.git}/owner/repo`;
    rig.secrets.push({ type: "repository", id: "sesrsc_1", url: repository, token });
    for (const name of ["repo", "repo2"]) {
      mkdirSync(join(rig.folder, "owner", name), { recursive: true });
      await run("git", ["init", "-q", "--bare", join(rig.folder, "owner", name)]);
      await run("git", ["-C", join(rig.folder, "owner", name), "config", "http.receivepack", "true"]);
    }
    const clone = join(rig.folder, "clone");
    await git("clone", "-q", repository, clone);
    writeFileSync(join(clone, "file"), "text");
    await git("-C", clone, "add", "file");
    await git("-C", clone, "commit", "-qm", "one");
    await git("-C", clone, "push", "-q", "origin", "HEAD:main");
    assert.equal(
      await git("-C", clone, "ls-remote").then(({ stdout }) => stdout.includes("refs/heads/main")),
      true,
    );
    assert.ok(!readFileSync(join(clone, ".git/config"), "utf8").includes(token));
    assert.ok((await rig.outcomes("sesrsc_1", 4)).every((outcome) => outcome === "sent 200"));
    heard.length = 0;
    for (const other of [
      `${repository}2`,
      `${repository}/../repo2`,
      `https://other.test:${ports.git}/owner/repo`,
    ])
      await assert.rejects(git("-c", "http.sslVerify=false", "ls-remote", other));
    await curl(`${repository}/info/refs/../../../repo2/info/refs`, "--path-as-is");
    await curl(`https://up.test:${ports.git}/owner/repo`);
    assert.ok(heard.length >= 4);
    for (const { headers, url } of heard) assert.equal(headers.authorization, undefined, url);
    heard.length = 0;
    await curl("-u", "me:mine", `${repository}/info/refs?service=git-upload-pack`);
    assert.equal(heard[0]?.headers.authorization, `Basic ${Buffer.from("me:mine").toString("base64")}`);
  });
});
