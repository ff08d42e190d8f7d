import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Server } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { certificateOf } from "../harness/egress.ts";
import { gitBackend } from "../harness/git-backend.ts";
import { ownAddress } from "../harness/public-hosts.ts";
import { type Names, startNames } from "./names.ts";

/** The one that credentials are for, one that they are not for, one with repositories, and one for whom none is limited. */
export const api = "api.canary.test";
export const other = "other.canary.test";
export const git = "git.canary.test";
export const open = "open.canary.test";
/** A credential is for it, and who answers there has not its certificate. */
export const impostor = "impostor.canary.test";
export const repositoryUrl = `https://${git}/team/project`;

/** Servers of the internet, as far as sandboxes can tell. */
export interface Hosts {
  address: string;
  /** Of `other` alone. */
  other_address: string;
  /** Of the authority that certifies them, in PEM. */
  ca: string;
  names: Names;
  /** What came to each host, by the name in TLS; `plain` is what came without. */
  received: Map<string, string[]>;
  close(): void;
}

export async function startHosts(folder: string, token: string): Promise<Hosts> {
  const address = ownAddress();
  // Of this process alone too.
  const other_address = address.replace(/^127\.(\d+)/, (_, second) => `127.${Number(second) + 64}`);
  const tls = await certificateOf(folder, api, other, git, open);
  const received = new Map<string, string[]>();
  const kept: Kept = { text: "" };
  const root = join(folder, "git");
  makeRepository(root);
  const backend = gitBackend(root);

  function note(host: string, request: IncomingMessage, body: string): string {
    const head = [`${request.method} ${request.url}`, ...pairs(request.rawHeaders)].join("\n");
    const said = `${head}\n\n${body}`;
    received.set(host, [...(received.get(host) ?? []), said]);
    return said;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = hostOf(request);
    if (host === git) return repository(request, response);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const said = note(host, request, Buffer.concat(parts).toString());
    await echo(request, response, said, kept);
  }

  function repository(request: IncomingMessage, response: ServerResponse): Promise<void> | void {
    note(git, request, "");
    const { authorization = "" } = request.headers;
    const wanted = `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
    if (authorization === wanted && request.url?.startsWith("/team/project/"))
      return backend(request, response);
    response.writeHead(401, { "www-authenticate": `Basic realm="${authorization}"` });
    response.end(`no: ${authorization}`);
  }

  const servers: Server[] = [];
  for (const at of [address, other_address]) {
    const secure = createHttpsServer(tls, (request, response) => {
      answer(request, response).catch(() => response.destroy());
    });
    secure.on("upgrade", (request, socket) => {
      socket.on("error", () => {});
      const said = note(hostOf(request), request, "");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
      socket.end(framed(said));
    });
    secure.on("checkContinue", (request, response) => {
      response.writeContinue();
      secure.emit("request", request, response);
    });
    const plain = createHttpServer((request, response) => {
      note("plain", request, "");
      response.end(request.url === "/kept" ? kept.text : pairs(request.rawHeaders).join("\n"));
    });
    await once(secure.listen(443, at), "listening");
    await once(plain.listen(80, at), "listening");
    servers.push(secure, plain);
  }
  const names = await startNames(address, (name) =>
    name.endsWith(".canary.test") ? (name === other ? other_address : address) : null,
  );
  return {
    address,
    other_address,
    ca: tls.ca,
    names,
    received,
    close() {
      names.close();
      for (const server of servers) {
        server.close();
        (server as ReturnType<typeof createHttpServer>).closeAllConnections();
      }
    },
  };
}

const hostOf = ({ socket, headers }: IncomingMessage) =>
  String((socket as TLSSocket).servername || headers.host);

/** What `api` has been told to keep, which everybody is given without TLS. */
interface Kept {
  text: string;
}

const pairs = (flat: readonly string[]) =>
  Array.from({ length: flat.length / 2 }, (_, n) => `${flat[2 * n]}: ${flat[2 * n + 1]}`);

/** A text frame of a WebSocket. */
function framed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.from([0x81, 126, 0, 0]);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
}

/** Says what it was told, as the path wants it. */
async function echo(request: IncomingMessage, response: ServerResponse, said: string, kept: Kept) {
  const line = said.replaceAll(/[\r\n]+/g, " | ").replaceAll(/[^\x20-\x7e]/g, "?");
  const key = String(request.headers["x-key"] ?? request.headers.authorization ?? "");
  const end = (text: string | Buffer, headers: Record<string, string> = {}) =>
    void response.writeHead(200, headers).end(text);
  switch (new URL(request.url ?? "/", "https://x").pathname) {
    case "/base64":
      return end(Buffer.from(said).toString("base64"));
    case "/base64url":
      return end(Buffer.from(`.${said}`).toString("base64url"));
    case "/percent":
      return end(encodeURIComponent(said));
    case "/form":
      return end(new URLSearchParams({ said }).toString());
    case "/json":
      return end(JSON.stringify({ said }));
    case "/html":
      return end(
        said
          .replaceAll("&", "&amp;")
          .replaceAll("<", "&lt;")
          .replaceAll(">", "&gt;")
          .replaceAll('"', "&quot;"),
      );
    case "/hex":
      return end(Buffer.from(said).toString("hex"));
    case "/gzip":
      return end(gzipSync(said), { "content-encoding": "gzip" });
    case "/deflate":
      return end(deflateSync(said), { "content-encoding": "deflate" });
    case "/br":
      return end(gzipSync(brotliCompressSync(said)), { "content-encoding": "br, gzip" });
    case "/unknown-coding":
      return end(Buffer.from(said.toUpperCase()), { "content-encoding": "compress" });
    case "/chunks":
      response.writeHead(200);
      for (const char of said) response.write(char);
      return void response.end();
    case "/drip":
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const part of [key.slice(0, 9), key.slice(9, 20), key.slice(20)]) {
        response.write(part);
        await pause(400);
      }
      return void response.end();
    case "/sse":
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const part of [`event: said\ndata: ${key.slice(0, 7)}`, `${key.slice(7)}\n\n`]) {
        response.write(part);
        await pause(5);
      }
      return void response.end();
    case "/header":
      return end("", { "x-said": line, "content-type": `text/${key}` });
    case "/cookie":
      return end("", { "set-cookie": `key=${encodeURIComponent(key)}; Path=/` });
    case "/status":
      return void response.writeHead(500, line).end(said);
    case "/early":
      response.writeEarlyHints({ link: `<https://${other}/${encodeURIComponent(key)}>; rel=preload` });
      return end("late");
    case "/trailer":
      response.writeHead(200, { trailer: "x-said", "transfer-encoding": "chunked" });
      response.write("before");
      response.addTrailers({ "x-said": line });
      return void response.end();
    case "/location":
      return void response
        .writeHead(302, {
          location: `https://${other}/got?key=${encodeURIComponent(key)}`,
          refresh: `0; ${key}`,
        })
        .end();
    case "/loop":
      return void response
        .writeHead(307, { location: `https://${api}/loop?${encodeURIComponent(key)}` })
        .end();
    case "/to-plain":
      return void response.writeHead(307, { location: `http://${api}/got?key=${key}` }).end();
    case "/part": {
      const [, from = "0", to = ""] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
      const part = key.slice(Number(from), to === "" ? undefined : Number(to) + 1);
      const whole = `bytes ${from}-${Number(from) + part.length - 1}/${key.length}`;
      return void response.writeHead(request.headers.range ? 206 : 200, { "content-range": whole }).end(part);
    }
    case "/hash":
      return end(createHash("sha256").update(key).digest("hex"));
    case "/keep":
      kept.text = said;
      return end("kept");
    default:
      return end(said);
  }
}

/** Two bare ones, which take what is pushed: the session's and another one. */
function makeRepository(root: string): void {
  const work = join(root, "work");
  mkdirSync(work, { recursive: true });
  const run = (...args: string[]) =>
    execFileSync("git", ["-C", work, "-c", "user.name=a", "-c", "user.email=a@b.test", ...args], {
      stdio: "pipe",
    });
  run("init", "-q", "--initial-branch=main");
  writeFileSync(join(work, "file"), "cloned\n");
  run("add", ".");
  run("commit", "-qm", "one");
  for (const path of ["team/project", "team/other"]) {
    mkdirSync(join(root, "team"), { recursive: true });
    run("clone", "-q", "--bare", ".", join(root, path));
    execFileSync("git", ["-C", join(root, path), "config", "http.receivepack", "true"]);
  }
}
