import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { CarryLine } from "../src/net/egress-wire.ts";
import { makeSessionAuthority } from "../src/vault/authority.ts";
import { listenForEgress } from "../src/vault/socket.ts";
import { carried, certificateOf, listen, readAll, upstreamAddress } from "./harness/egress.ts";

const main = join(import.meta.dirname, "../src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "drover-egress-"));
chmodSync(folder, 0o711);
const socket_path = join(folder, "run", "e.sock");
const vault_socket = join(folder, "v.sock");
const upstream = createServer((request, response) => response.end(`you are ${request.headers.host}`));
const running = new Set<ChildProcess>();
let port = 0;

before(async () => {
  port = await listen(upstream);
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  child: ChildProcess;
  /** All that it has said so far. */
  said(): string;
  ended: Promise<number | null>;
}

/** `files`: how many it may have open. */
function begin(args: string[] = [], files = 1_024, env: NodeJS.ProcessEnv = {}): Running {
  const command = `ulimit -n ${files}; exec "$0" "$@"`;
  const child = spawn(
    "sh",
    ["-c", command, process.execPath, main, "egress", "--socket", socket_path, ...args],
    {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        DROVER_DATA_DIR: join(folder, "data"),
        XDG_RUNTIME_DIR: folder,
        DROVER_ALLOW_PRIVATE_HOSTS: `${upstreamAddress},localhost`,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  running.add(child);
  let said = "";
  for (const output of [child.stdout, child.stderr]) output?.on("data", (chunk) => (said += chunk));
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  return { child, said: () => said, ended };
}

async function start(args: string[] = [], files?: number, env?: NodeJS.ProcessEnv): Promise<Running> {
  const started = begin(args, files, env);
  while (!started.said().includes('"msg":"ready"')) {
    assert.ok(started.child.stderr && started.child.exitCode === null, started.said());
    await once(started.child.stderr, "data");
  }
  return started;
}

async function stop({ child, ended }: Running): Promise<void> {
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
}

function dial(line: Partial<CarryLine> = {}): Socket {
  const socket = connect({ path: socket_path, allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write(`${JSON.stringify(carried(line))}\n`);
  return socket;
}

const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => (socket.destroyed ? resolve() : socket.on("close", () => resolve())));

function ask(host: string): Promise<string> {
  const socket = dial();
  const answer = readAll(socket);
  socket.end(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  return answer;
}

describe("drover egress", () => {
  test("listens for its own user alone, and ends when it is told to", async () => {
    const egress = await start();
    assert.equal(statSync(socket_path).mode & 0o777, 0o600);
    assert.match(await ask(upstreamAddress), new RegExp(`\r\n\r\nyou are ${upstreamAddress}:${port}$`));
    // Opened by its name, but nothing else of this machine is.
    assert.doesNotMatch(await ask("localhost"), /^HTTP\/1\.1 403/);
    assert.match(await ask("127.0.0.1"), /^HTTP\/1\.1 403 /);
    const open = dial();
    await once(open, "connect");
    open.on("end", () => open.end());
    const closed = closing(open.resume());
    await stop(egress);
    await closed;
  });

  test("is the only one on its socket, and takes over from one that was killed", async () => {
    const first = await start();
    const second = begin();
    assert.equal(await second.ended, 1);
    assert.match(second.said(), /drover egress: another process already serves .*e\.sock/);
    first.child.kill("SIGKILL");
    await first.ended;
    const third = await start();
    assert.match(await ask(upstreamAddress), /^HTTP\/1\.1 200 /);
    await stop(third);
  });

  const skip = process.getuid?.() === 0 ? false : "only root can become somebody else";
  test("is another user than root once its socket is there", { skip }, async () => {
    const egress = await start(["--run-as", "65534:65534"]);
    const status = readFileSync(`/proc/${egress.child.pid}/status`, "utf8");
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^Groups:\t65534 $/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.equal(statSync(socket_path).uid, 0);
    assert.match(await ask(upstreamAddress), /^HTTP\/1\.1 200 /);
    await stop(egress);
  });

  test("believes hosts by NODE_EXTRA_CA_CERTS, and keeps nothing of what serve tells it", async () => {
    const tls = await certificateOf(folder, upstreamAddress);
    const authority = await makeSessionAuthority("sesn_1", Date.now());
    const host = createHttpsServer(tls, (request, response) =>
      response.end(`${request.headers["x-key"]?.length}!`),
    );
    const tlsPort = await listen(host);
    const vault = await listenForEgress({ socket_path: vault_socket });
    const [placeholder, secret] = ["PLACEHOLDERof24characters", "the secret of this one credential"];
    const about = {
      type: "environment_variable",
      id: "c",
      hosts: [upstreamAddress],
      header: true,
      body: true,
    } as const;
    vault.answer({
      resolve: async () => ({
        authority,
        secrets: [{ ...about, hosts: [upstreamAddress], placeholder, secret }],
      }),
      note: async ({ uses }) => void used.push(...uses.map(({ outcome }) => outcome)),
    });
    const used: string[] = [];
    const egress = await start(["--vault-socket", vault_socket], undefined, {
      NODE_EXTRA_CA_CERTS: tls.ca_file,
    });
    const socket = dial({ pass: "a pass" });
    const to = `${upstreamAddress}:${tlsPort}`;
    socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
    await once(socket, "data");
    const secured = connectTls({ socket, host: upstreamAddress, ca: authority.certificate });
    secured.on("end", () => secured.end());
    const answer = readAll(secured);
    secured.write(`GET / HTTP/1.1\r\nHost: ${to}\r\nX-Key: ${placeholder}\r\nConnection: close\r\n\r\n`);
    assert.match(await answer, new RegExp(`\\b${secret.length}!$`));
    await stop(egress);
    assert.deepEqual(used, ["sent 200"]);
    assert.ok(!egress.said().includes(secret));
    await vault.close();
    host.close();
  });

  test("says what to configure where sessions have credentials and no server is near", async () => {
    const egress = await start();
    const socket = dial({ pass: "a pass" });
    const answer = readAll(socket);
    socket.end(`CONNECT ${upstreamAddress}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 503 [\s\S]*set DROVER_EGRESS_UPSTREAM/);
    assert.match(await ask(upstreamAddress), /^HTTP\/1\.1 200 /);
    await stop(egress);
    assert.match(egress.said(), /set DROVER_EGRESS_UPSTREAM/);
  });

  test("that has no files left serves again when it has", async () => {
    const egress = await start([], 48);
    const idle = Array.from({ length: 100 }, () => dial());
    await Promise.all(idle.map((socket) => once(socket, "connect")));
    const refused = await ask(upstreamAddress);
    assert.match(refused, /^($|HTTP\/1\.1 503 Drover cannot reach .*too many connections open)/);
    const closed = idle.map(closing);
    for (const socket of idle) socket.destroy();
    await Promise.all(closed);
    for (let answer = ""; !answer.startsWith("HTTP/1.1 200 "); ) answer = await ask(upstreamAddress);
    await stop(egress);
  });
});
