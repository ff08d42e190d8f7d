import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { makeAuthority, makeCertificate } from "../../src/cli/certificates.ts";
import { readConfig } from "../../src/config.ts";
import { type TestDatabase, testDatabase } from "../../src/db/testing.ts";
import type { Role } from "../../src/hands/identity.ts";
import { freePort } from "./free-port.ts";
import { startPart } from "./part.ts";
import { clientOf, testKey } from "./server.ts";
import { type Workspace, workspaceOf } from "./workspace.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: ["ignore", "pipe", "pipe"] }).toString();

/** Why this machine can have no networks of its own; false when it can. */
export function noNamespaces(): string | false {
  const name = `drv-try-${process.pid}`;
  try {
    ip("netns", "add", name);
    ip("netns", "del", name);
    return false;
  } catch (error) {
    return `no network namespaces on this machine: ${(error as Error).message.trim()}`;
  }
}

/** `drover hands` in a network namespace of its own, which a veth pair joins to the one of the test. */
export interface RemoteHost {
  address: string;
  /** `generation` counts how often the session was moved before. */
  workspace(sessionId: string, generation?: number): Workspace;
  /** Whether it has anything of that sandbox. */
  has(sessionId: string, generation?: number): boolean;
  /** Nothing comes through any more, and nobody is told. */
  cut(): void;
  mend(): void;
  freeze(): void;
  thaw(): void;
  /** The process ids of `hands` and, where it has one, its egress. */
  pids: readonly number[];
  /** SIGTERM, and waits. */
  stop(): Promise<void>;
}

export interface RemoteHosts {
  hosts: readonly RemoteHost[];
  client: Anthropic;
  db: TestDatabase;
  metrics_url: string;
  /** Waits for a checkpoint of that sandbox in the storage that all hosts share. */
  kept(sessionId: string, generation: number, n: number): Promise<void>;
  /** The egress process beside serve, which takes connections of the first host. */
  nearEgress: { kill(): Promise<void>; start(): Promise<void> };
  close(): Promise<void>;
}

/** Several machines on one: a `drover serve` that knows only hosts on other networks, by mutual TLS. */
export async function startRemoteHosts(options: {
  count: number;
  gone_seconds: number;
  /**
   * The hosts have an egress process each, which hands connections of sessions with credentials on to one beside serve, of
   * which these are settings.
   */
  egress?: Record<string, string>;
}): Promise<RemoteHosts> {
  const db = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), "drover-net-"));
  chmodSync(folder, 0o711);
  const storage = join(folder, "storage");
  const certs = join(folder, "certs");
  mkdirSync(certs, { mode: 0o700 });
  const dayMs = 24 * 3_600_000;
  const valid = { from: new Date(Date.now() - dayMs), to: new Date(Date.now() + dayMs) };
  const ca = await makeAuthority(valid);
  writeFileSync(join(certs, "ca.crt"), ca.cert);

  /** The settings by which one part is known to the others. */
  async function identity(name: string, role: Role, addresses: string[]) {
    const pair = await makeCertificate(ca, { role, name, addresses, ...valid });
    const [cert, key] = [join(certs, `${name}.crt`), join(certs, `${name}.key`)];
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key, { mode: 0o600 });
    const part = role === "serve" || role === "hands" ? "HANDS" : "EGRESS";
    return {
      [`DROVER_${part}_CA`]: join(certs, "ca.crt"),
      [`DROVER_${part}_CERT`]: cert,
      [`DROVER_${part}_KEY`]: key,
    };
  }

  const children: ChildProcess[] = [];
  const namespaces: string[] = [];
  const nearAddresses: string[] = [];
  const runtimes: string[] = [];
  const { PATH, HOME } = process.env;

  async function start(name: string, args: string[], more: NodeJS.ProcessEnv, through: string[] = []) {
    const data = join(folder, name);
    mkdirSync(data, { recursive: true, mode: 0o711 });
    const env = { PATH, HOME, DROVER_DATA_DIR: data, DROVER_FILES: join(folder, "files"), ...more };
    runtimes.push(readConfig(env, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" }).runtime_dir);
    const child = await startPart(args, env, { through });
    children.push(child);
    return { child, data };
  }

  async function startHost(n: number): Promise<RemoteHost> {
    const name = `drv${process.pid}-${n}`;
    const near = `dv${process.pid}n${n}`;
    const net = `10.${64 + ((process.pid >> 8) & 63)}.${process.pid & 255}`;
    const [ours, theirs] = [`${net}.${4 * n + 1}`, `${net}.${4 * n + 2}`];
    ip("netns", "add", name);
    namespaces.push(name);
    ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("addr", "add", `${ours}/30`, "dev", near);
    ip("link", "set", near, "up");
    ip("-n", name, "addr", "add", `${theirs}/30`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");

    const address = `${theirs}:8401`;
    const through = ["nsenter", `--net=/run/netns/${name}`, "--"];
    const known = { ...(await identity(name, "hands", [theirs])), DROVER_STORAGE: storage };
    const { child, data } = await start(name, ["hands", "--listen", address], known, through);
    nearAddresses.push(ours);
    const pids = [child.pid ?? 0];
    if (options.egress) {
      const shown = await identity(`${name}-egress`, "host egress", []);
      const settings = { ...shown, DROVER_EGRESS_UPSTREAM: `${ours}:8402` };
      const { child } = await start(name, ["egress"], settings, through);
      pids.push(child.pid ?? 0);
    }
    const root = join(data, "hands");
    const named = (sessionId: string, generation: number) =>
      generation === 0 ? sessionId : `${sessionId}-${generation}`;
    const workspace = (sessionId: string, generation = 0) => workspaceOf(root, named(sessionId, generation));
    return {
      address,
      workspace,
      has: (sessionId, generation) => existsSync(workspace(sessionId, generation).path(".")),
      cut: () => ip("-n", name, "link", "set", "eth0", "down"),
      mend: () => ip("-n", name, "link", "set", "eth0", "up"),
      freeze: () => child.kill("SIGSTOP"),
      thaw: () => child.kill("SIGCONT"),
      pids,
      async stop() {
        const exit = once(child, "exit");
        child.kill("SIGTERM");
        await exit;
      },
    };
  }

  let near: ChildProcess | null = null;
  async function startNearEgress(): Promise<void> {
    const [address = ""] = nearAddresses;
    const shown = await identity("near-egress", "egress", [address]);
    // In the data directory of serve, so that it finds its socket.
    const { child } = await start("serve", ["egress", "--listen", `${address}:8402`], {
      ...shown,
      ...options.egress,
    });
    near = child;
  }

  async function kept(sessionId: string, generation: number, n: number): Promise<void> {
    const sandbox = sessionId.replace("sesn_", "sbx_") + (generation === 0 ? "" : `-${generation}`);
    const path = join(storage, "documents/workspaces", sessionId, sandbox, `${n}.json`);
    while (!existsSync(path)) await pause(5);
  }

  async function close(): Promise<void> {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    }
    // With a namespace its end of the pair goes, and with that the other.
    for (const name of namespaces) ip("netns", "del", name);
    await db.close();
    for (const path of [folder, ...runtimes]) rmSync(path, { recursive: true, force: true });
  }

  try {
    const hosts: RemoteHost[] = [];
    for (let n = 0; n < options.count; n += 1) hosts.push(await startHost(n));
    const port = await freePort();
    const metrics = `127.0.0.1:${await freePort()}`;
    await start("serve", ["serve"], {
      ...(await identity("serve", "serve", [])),
      DATABASE_URL: db.url,
      DROVER_API_KEY: testKey,
      DROVER_PORT: String(port),
      DROVER_HANDS_HOSTS: hosts.map(({ address }) => address).join(","),
      DROVER_HOST_GONE: String(options.gone_seconds),
      DROVER_METRICS: metrics,
    });
    if (options.egress) await startNearEgress();
    const client = clientOf(`http://127.0.0.1:${port}`);
    const nearEgress = {
      start: startNearEgress,
      async kill() {
        if (near === null) return;
        const exit = once(near, "exit");
        near.kill("SIGKILL");
        await exit;
      },
    };
    return { hosts, db, client, metrics_url: `http://${metrics}/metrics`, kept, nearEgress, close };
  } catch (error) {
    await close();
    throw error;
  }
}
