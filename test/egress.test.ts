import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { ProxyAgent, WebSocket } from "undici";
import {
  ask,
  certificateOf,
  type EgressRig,
  egressRig,
  limitedTo,
  listen,
  readAll,
} from "./harness/egress.ts";

const run = promisify(execFile);
const has = (program: string) => {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
const unlessHas = (program: string) => ({
  skip: has(program) ? false : `there is no ${program} on this machine`,
});

let rig: EgressRig;
let tls: Awaited<ReturnType<typeof certificateOf>>;
/** Files that the servers hand out, by path. */
const files = new Map<string, Buffer>();
const servers: Server[] = [];
const ports = { http: 0, https: 0, h2: 0 };

/** Answers with a file, or with what it has heard. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? "", "http://here");
  const file = files.get(pathname);
  if (file || pathname.startsWith("/repo/")) {
    response.writeHead(file ? 200 : 404, pathname.endsWith("/") ? { "content-type": "text/html" } : {});
    response.end(file);
    return;
  }
  const hash = createHash("sha256");
  for await (const chunk of request) hash.update(chunk);
  const { method, url, headers, trailers } = request;
  response.setHeader("set-cookie", ["a=1", "b=2"]);
  response.setHeader("trailer", "x-end");
  response.write(JSON.stringify({ method, url, headers, trailers, sha256: hash.digest("hex") }));
  response.addTrailers({ "x-end": "yes" });
  response.end();
}

/** Takes a WebSocket, and says once what it was told in the first, short message. */
function echoOnce(request: IncomingMessage, socket: Socket): void {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n${request.url === "/greeted" ? "welcome " : ""}`,
  );
  socket.on("error", () => {});
  socket.once("data", (frame: Buffer) => {
    const mask = frame.subarray(2, 6);
    const text = frame.subarray(6).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  });
}

before(async () => {
  rig = await egressRig();
  tls = await certificateOf(rig.folder, "up.test", "other.test");
  const http = createHttpServer(serve).on("upgrade", echoOnce);
  const https = createHttpsServer(tls, serve).on("upgrade", echoOnce);
  const h2 = createSecureServer({ ...tls, allowHTTP1: false });
  h2.on("stream", (stream) => stream.end(`over ${stream.session?.alpnProtocol}`));
  servers.push(http, https, h2 as unknown as Server);
  Object.assign(ports, {
    http: await listen(http),
    https: await listen(https),
    h2: await listen(h2 as unknown as Server),
  });
});
after(async () => {
  for (const server of servers) server.close();
  await rig.stop();
  assert.deepEqual(rig.troubles, []);
});

/** What a program in a sandbox has in its environment. */
const envOf = (port: number, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: rig.folder,
  http_proxy: `http://127.0.0.1:${port}`,
  https_proxy: `http://127.0.0.1:${port}`,
  HTTP_PROXY: `http://127.0.0.1:${port}`,
  HTTPS_PROXY: `http://127.0.0.1:${port}`,
  SSL_CERT_FILE: tls.ca_file,
  NODE_EXTRA_CA_CERTS: tls.ca_file,
  ...more,
});

describe("curl", unlessHas("curl"), () => {
  const curl = async (args: string[], line: Parameters<EgressRig["gate"]>[0] = {}) =>
    run("curl", ["-sS", "--max-time", "60", ...args], { env: envOf(await rig.gate(line)), encoding: "utf8" });

  test("speaks http, and the host hears nothing of the proxy", async () => {
    const { stdout } = await curl([
      "-i",
      "-u",
      "ada:secret",
      `http://UP.test:${ports.http}/a/../b?c=d#e`,
      "--path-as-is",
    ]);
    assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(stdout, /set-cookie: a=1\r\nset-cookie: b=2\r\n/);
    const { url, headers } = JSON.parse(/^\{.*\}/m.exec(stdout)?.[0] ?? "");
    assert.equal(url, "/a/../b?c=d");
    const { "user-agent": agent, authorization, ...rest } = headers;
    assert.match(authorization, /^Basic /);
    assert.match(agent, /^curl/);
    assert.deepEqual(rest, { host: `up.test:${ports.http}`, accept: "*/*", connection: "close" });
  });

  test("uploads as it goes, with and without a length, in clear and within TLS", async () => {
    const bytes = Buffer.alloc(5 << 20, "drover");
    const file = join(rig.folder, "upload");
    writeFileSync(file, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    for (const url of [`http://up.test:${ports.http}/`, `https://up.test:${ports.https}/`]) {
      for (const how of [
        ["--data-binary", `@${file}`],
        ["-T", file, "-H", "transfer-encoding: chunked"],
      ]) {
        const { stdout } = await curl([...how, "-H", "expect: 100-continue", url]);
        assert.equal(JSON.parse(stdout).sha256, sha256, `${url} ${how}`);
      }
    }
  });

  test("speaks HTTP/2 within CONNECT", async () => {
    const { stdout } = await curl(["--http2", `https://up.test:${ports.h2}/`]);
    assert.equal(stdout, "over h2");
  });

  test("is told by a 403 why it does not get through, and so is whoever watches", async () => {
    const network = limitedTo("*.up.test");
    const plain = await curl(["-i", `http://up.test:${ports.http}/`], { network, sandbox_id: "sbx_told" });
    assert.match(plain.stdout, /^HTTP\/1\.1 403 Drover does not let .*\r\ncontent-type: text\/plain/);
    assert.match(plain.stdout, /x-drover-egress: refused\r\n/);
    assert.match(
      plain.stdout,
      /connect to up\.test:\d+: it is not one of the allowed_hosts .* can add it there/,
    );
    const tunnel = await curl(["-v", `https://up.test/`], { network, sandbox_id: "sbx_told" }).catch(
      (error) => error,
    );
    assert.equal(tunnel.code, 56);
    assert.match(
      tunnel.stderr,
      /HTTP\/1\.1 403 Drover does not let this sandbox connect to up\.test:443: it is not/,
    );
    const told = await rig.until(() => {
      const lines = rig.refused.filter(({ sandbox_id }) => sandbox_id === "sbx_told");
      return lines.length === 2 ? lines : undefined;
    });
    assert.deepEqual(
      told.map(({ session_id, host, port }) => ({ session_id, host, port })),
      [
        { session_id: "sesn_1", host: "up.test", port: ports.http },
        { session_id: "sesn_1", host: "up.test", port: 443 },
      ],
    );
    assert.match(told[0]?.reason ?? "", /^it is not one of the allowed_hosts/);
  });

  test("is told what hands has against a connection", async () => {
    const refuse = "this session has used up its 10 connections";
    const { stdout } = await curl([`http://up.test:${ports.http}/`], { refuse, sandbox_id: "sbx_full" });
    assert.match(stdout, /connect to up\.test:\d+: this session has used up its 10 connections\.\n$/);
    const line = await rig.until(() => rig.refused.find(({ sandbox_id }) => sandbox_id === "sbx_full"));
    assert.equal(line.reason, refuse);
  });

  test("that knows of no proxy is led by its Host header and by its ClientHello", async () => {
    const through = async (as: "http" | "tls", port: number) => {
      const gate = await rig.gate({ as, port });
      return ["--connect-to", `::127.0.0.1:${gate}`, "--noproxy", "*"];
    };
    const http = await curl([...(await through("http", ports.http)), `http://up.test:${ports.http}/direct`]);
    assert.equal(JSON.parse(http.stdout).url, "/direct");
    const https = await curl([
      ...(await through("tls", ports.https)),
      `https://up.test:${ports.https}/direct`,
    ]);
    assert.equal(JSON.parse(https.stdout).url, "/direct");
    assert.equal(JSON.parse(https.stdout).headers.host, `up.test:${ports.https}`);
  });

  test("that knows of no proxy is refused as a server would", async () => {
    const network = limitedTo("other.test");
    const gate = await rig.gate({ as: "tls", network, sandbox_id: "sbx_tls" });
    const args = ["--connect-to", `::127.0.0.1:${gate}`, "--noproxy", "*", "https://up.test/"];
    const error = await curl(args).catch((error) => error);
    assert.match(error.stderr, /alert access denied/);
    const line = await rig.until(() => rig.refused.find(({ sandbox_id }) => sandbox_id === "sbx_tls"));
    assert.deepEqual([line.host, line.port], ["up.test", 443]);
  });
});

test("git clones", unlessHas("git"), async () => {
  const source = join(rig.folder, "source");
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", source, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
      stdio: "pipe",
    });
  mkdirSync(source);
  git("init", "-q");
  writeFileSync(join(source, "file"), "from afar\n");
  git("add", ".");
  git("commit", "-qm", "first");
  git("repack", "-adq");
  git("update-server-info");
  for (const name of execFileSync("find", [".git", "-type", "f"], { cwd: source, encoding: "utf8" })
    .trim()
    .split("\n"))
    files.set(`/repo${name.slice(".git".length)}`, readFileSync(join(source, name)));
  const env = envOf(await rig.gate(), { GIT_SSL_CAINFO: tls.ca_file, GIT_CONFIG_NOSYSTEM: "1" });
  await run("git", ["clone", "-q", `https://up.test:${ports.https}/repo`, join(rig.folder, "clone")], {
    env,
  });
  assert.equal(readFileSync(join(rig.folder, "clone/file"), "utf8"), "from afar\n");
});

test("npm installs", unlessHas("npm"), async () => {
  const source = join(rig.folder, "npm-source");
  mkdirSync(source);
  writeFileSync(join(source, "package.json"), JSON.stringify({ name: "afar", version: "1.0.0" }));
  const plain = { PATH: process.env.PATH, HOME: rig.folder };
  execFileSync("npm", ["pack", "--silent"], { cwd: source, env: plain, stdio: "pipe" });
  const registry = `https://up.test:${ports.https}`;
  const dist = { tarball: `${registry}/afar-1.0.0.tgz` };
  files.set("/afar-1.0.0.tgz", readFileSync(join(source, "afar-1.0.0.tgz")));
  const version = { name: "afar", version: "1.0.0", dist };
  const packument = { name: "afar", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version } };
  files.set("/afar", Buffer.from(JSON.stringify(packument)));
  const target = join(rig.folder, "npm-target");
  mkdirSync(target);
  await run(
    "npm",
    ["install", "--prefix", target, "--registry", registry, "--no-audit", "--no-fund", "afar"],
    {
      env: envOf(await rig.gate()),
    },
  );
  assert.ok(readFileSync(join(target, "node_modules/afar/package.json"), "utf8").includes("afar"));
});

test("pip installs", unlessHas("pip"), async () => {
  const made = `import zipfile
with zipfile.ZipFile("afar-1.0-py3-none-any.whl", "w") as z:
    z.writestr("afar.py", "where = 'afar'\\n")
    z.writestr("afar-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: afar\\nVersion: 1.0\\n")
    z.writestr("afar-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("afar-1.0.dist-info/RECORD", "")`;
  execFileSync("python3", ["-c", made], { cwd: rig.folder });
  const wheel = "afar-1.0-py3-none-any.whl";
  files.set(`/simple/${wheel}`, readFileSync(join(rig.folder, wheel)));
  const index = `<!DOCTYPE html><html><body><a href="../${wheel}">${wheel}</a></body></html>`;
  files.set("/simple/afar/", Buffer.from(index));
  const target = join(rig.folder, "pip-target");
  const args = ["install", "-q", "--disable-pip-version-check", "--no-cache-dir", "--target", target];
  const options = ["--cert", tls.ca_file, "--index-url", `https://up.test:${ports.https}/simple`, "afar"];
  await run("pip", [...args, ...options], {
    env: envOf(await rig.gate(), { PYENV_VERSION: process.env.PYENV_VERSION }),
  });
  assert.match(readFileSync(join(target, "afar.py"), "utf8"), /afar/);
});

test("Node's fetch gets through", async () => {
  const program = `for (const url of process.argv.slice(1)) console.log((await (await fetch(url)).json()).url)`;
  const urls = [`http://up.test:${ports.http}/1`, `https://up.test:${ports.https}/2`];
  const env = envOf(await rig.gate(), { NODE_USE_ENV_PROXY: "1" });
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program, ...urls], { env });
  assert.equal(stdout, "/1\n/2\n");
});

test("a WebSocket gets through within CONNECT, in clear and within TLS", async () => {
  for (const network of [undefined, limitedTo("up.test")]) {
    const gate = await rig.gate(network && { network });
    const dispatcher = new ProxyAgent({ uri: `http://127.0.0.1:${gate}`, requestTls: { ca: tls.ca } });
    for (const url of [`ws://up.test:${ports.http}/`, `wss://up.test:${ports.https}/`]) {
      const socket = new WebSocket(url, { dispatcher });
      const said = new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = ({ error }) => reject(error);
      });
      socket.onopen = () => socket.send("hello");
      assert.equal(await said, "hello");
      socket.close();
    }
    await dispatcher.destroy();
  }
});

describe("an upgrade", () => {
  const asking = (path = "/") =>
    `GET http://up.test:${ports.http}${path} HTTP/1.1\r\nHost: up.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n`;

  test("of a request to the proxy is carried, and what is said at once with it", async () => {
    const socket = rig.dial();
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk;
      if (heard.endsWith("hi")) socket.destroy();
    });
    socket.write(`${asking("/greeted")}\x81\x82\0\0\0\0hi`, "latin1");
    await once(socket, "close");
    assert.match(
      heard,
      /^HTTP\/1\.1 101 Switching Protocols\r\n(.*\r\n)*upgrade: websocket\r\n(.*\r\n)*\r\nwelcome .*hi$/,
    );
  });

  test("that the host does not want is answered with what it says instead", async () => {
    files.set("/no-websocket", Buffer.from("no"));
    const refuser = createHttpServer(serve);
    const port = await listen(refuser);
    const answer = await ask(rig, asking("/no-websocket").replace(String(ports.http), String(port)));
    refuser.close();
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*connection: close\r\n\r\nno$/);
  });
});

describe("a connection to the proxy", () => {
  const get = (path: string, more = "") =>
    `GET http://up.test:${ports.http}${path} HTTP/1.1\r\nHost: up.test\r\n${more}\r\n`;

  test("takes one request after the other, also before the answer to the first, and answers in order", async () => {
    const answer = await ask(rig, Array.from({ length: 20 }, (_, i) => get(`/${i}`)).join(""));
    const urls = [...answer.matchAll(/"url":"(\/\d+)"/g)].map(([, url]) => url);
    assert.deepEqual(
      urls,
      Array.from({ length: 20 }, (_, i) => `/${i}`),
    );
  });

  test("carries trailers both ways", async () => {
    const body = "5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n";
    const head = `POST http://up.test:${ports.http}/ HTTP/1.1\r\nHost: up.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n`;
    const answer = await ask(rig, head + body);
    assert.match(answer, /"trailers":\{"x-sum":"7"\}/);
    assert.match(answer, /\r\n0\r\nx-end: yes\r\n\r\n$/);
  });

  test("is told of a host that is not there, and goes on", async () => {
    const answer = await ask(rig, get("/").replace(String(ports.http), "1025") + get("/still"));
    assert.match(
      answer,
      /^HTTP\/1\.1 502 Drover cannot reach up\.test:1025 for this sandbox: nothing listens there\./,
    );
    assert.match(answer, /"url":"\/still"/);
  });

  test("hears each part of an answer as it comes, the head first", async () => {
    let respond: ServerResponse | undefined;
    const slow = createHttpServer((_, response) => {
      respond = response;
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    });
    const port = await listen(slow);
    const socket = rig.dial();
    socket.write(get("/").replace(String(ports.http), String(port)));
    let heard = "";
    for (const part of ["HTTP/1.1 200 OK", "first", "second"]) {
      while (!heard.includes(part)) heard += (await once(socket, "data"))[0];
      respond?.write(part === "first" ? "second" : "first");
    }
    socket.destroy();
    slow.closeAllConnections();
    slow.close();
  });

  test("breaks off where the host breaks off its answer", async () => {
    const breaking = createHttpServer((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    const port = await listen(breaking);
    const answer = await ask(rig, get("/").replace(String(ports.http), String(port)) + get("/never"));
    breaking.close();
    assert.match(answer, /\r\n\r\nhalf$/);
  });

  test("ends each way by itself within CONNECT, however much is on the way", async () => {
    const bytes = Buffer.alloc(8 << 20, "x");
    const slow = createTcpServer({ allowHalfOpen: true }, async (socket) => {
      const said = await readToEnd(socket);
      socket.end(Buffer.concat([Buffer.from(`${said.length} `), bytes]));
    });
    const port = await listen(slow);
    const socket = rig.dial();
    const answer = readAll(socket);
    socket.write(`CONNECT up.test:${port} HTTP/1.1\r\n\r\n`);
    socket.end(bytes);
    const heard = await answer;
    slow.close();
    assert.equal(
      heard.length,
      "HTTP/1.1 200 Connection established\r\n\r\n".length + `${bytes.length} `.length + bytes.length,
    );
  });
});

test("a program goes on speaking within CONNECT to a host that has ended", async () => {
  const heard = Promise.withResolvers<string>();
  const host = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.end("that is all");
    readToEnd(socket).then((bytes) => heard.resolve(String(bytes)), heard.reject);
  });
  const port = await listen(host);
  const socket = rig.dial();
  const answer = readAll(socket);
  socket.write(`CONNECT up.test:${port} HTTP/1.1\r\n\r\n`);
  await once(socket, "end");
  socket.end("not yet");
  assert.equal(await heard.promise, "not yet");
  assert.match(await answer, /that is all$/);
  host.close();
});

async function readToEnd(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (chunk) => parts.push(chunk));
  await once(socket, "end");
  return Buffer.concat(parts);
}
