import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readConfig } from "../../src/config.ts";
import { makeCertificates } from "../harness/certificates.ts";
import { freePort } from "../harness/free-port.ts";
import { testKey } from "../harness/headers.ts";
import { startPart } from "../harness/part.ts";
import { startDatabase } from "./database.ts";
import { type HostSpec, hostIdIn, killSandbox, sandboxesIn } from "./hosts.ts";
import { type Address, type Link, startLink } from "./link.ts";
import type { Ending, Targets } from "./plan.ts";
import { keepWorkspaces, type Workspace } from "./workspaces.ts";

/** A `serve`, by name, with what `--roles` says. */
export interface ServeSpec {
  name: string;
  roles: string;
}

export interface PartsOptions {
  serves: readonly ServeSpec[];
  hosts: readonly HostSpec[];
  /** A host that was silent for so long is given up. */
  host_gone_seconds: number;
  /** The file of a workspace that commands write what they did into. */
  file: string;
}

/** A Drover of many processes, in which everything has a name and every two parts talk over a link. */
export interface Parts {
  targets: Targets;
  links: ReadonlyMap<string, Link>;
  /** Where clients reach the API: over links. */
  urls: string[];
  kill(name: string): Promise<void>;
  /** Until it is ready: what it needs may not be there. */
  start(name: string): Promise<void>;
  freeze(name: string): void;
  thaw(name: string): void;
  restartPostgres(ending: Ending, down_ms: number): Promise<void>;
  /** The database's clock, for everybody at once, away from the true time. */
  moveClock(by_ms: number): Promise<void>;
  /** Ends one of the sandboxes that run on a host, and nothing else. */
  killSandbox(on: string, nth: number): void;
  /** Every workspace that a session has had. */
  workspaces(sessionId: string): Workspace[];
  /** By which id a host goes. */
  hostIds(): Map<string, string>;
  /** Processes that ended without having been told to. */
  ended: string[];
  /** The newest lines of a part's log. */
  log(name: string): string[];
  close(): Promise<void>;
}

interface Part {
  args: string[];
  env: NodeJS.ProcessEnv;
  child: ChildProcess | null;
  log: string[];
}

const logLinesMax = 400;
const startPause_ms = 100;

export async function startParts({ serves, hosts, host_gone_seconds, file }: PartsOptions): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), "drover-chaos-"));
  chmodSync(folder, 0o711);
  const { postgres, ...database } = await startDatabase(folder);
  const links = new Map<string, Link>();
  const parts = new Map<string, Part>();
  const ended: string[] = [];
  const urls: string[] = [];
  const runtimes: string[] = [];
  const { PATH, HOME } = process.env;
  const certificates = makeCertificates(join(folder, "certs"), { PATH, HOME });
  const dataOf = (name: string) => join(folder, name);

  const add = (name: string, args: string[], more: Record<string, string>) => {
    const env = { PATH, HOME, DROVER_DATA_DIR: dataOf(name), DROVER_FILES: join(folder, "files"), ...more };
    runtimes.push(readConfig(env, { uid: process.getuid?.() ?? -1, home: HOME ?? "/" }).runtime_dir);
    parts.set(name, { args, env, child: null, log: [] });
  };
  const link = async (name: string, ...ends: Parameters<typeof startLink>) => {
    const made = await startLink(...ends);
    links.set(name, made);
    return made.address;
  };
  const toPort = async (name: string, target: Address) => {
    const address = await link(name, target);
    if (!("port" in address)) throw new Error(`${name} has no port`);
    return address.port;
  };
  const toPath = async (name: string, target: Address, path: string) => {
    await link(name, target, path);
    return path;
  };

  /** Where each host listens. */
  const listening = new Map<string, Address>();
  for (const { name, over } of hosts) {
    const socket = join(folder, `${name}.sock`);
    const port = await freePort();
    const shown = { DROVER_STORAGE: join(folder, "storage"), ...certificates.hands };
    const listen = over === "network" ? ["--listen", `127.0.0.1:${port}`] : [];
    add(name, ["hands", "--socket", socket, ...listen], shown);
    listening.set(name, over === "network" ? { port } : { path: socket });
  }
  for (const { name, roles } of serves) {
    const toDatabase = await toPort(`${name}~postgres`, { path: database.socket });
    const args = ["serve", "--roles", roles];
    const addresses: string[] = [];
    for (const [host, address] of listening) {
      const between = `${name}~${host}`;
      if ("port" in address) addresses.push(`127.0.0.1:${await toPort(between, address)}`);
      else args.push("--hands", await toPath(between, address, join(folder, `${between}.sock`)));
    }
    const port = await freePort();
    add(name, args, {
      ...certificates.serve,
      DROVER_HANDS_HOSTS: addresses.join(","),
      DROVER_HOST_GONE: String(host_gone_seconds),
      DATABASE_URL: `postgresql://postgres@127.0.0.1:${toDatabase}/drover?sslmode=disable`,
      DROVER_API_KEY: testKey,
      DROVER_PORT: String(port),
    });
    if (roles.split(",").includes("api"))
      urls.push(`http://127.0.0.1:${await toPort(`client~${name}`, { port })}`);
  }
  const workspaces = keepWorkspaces({
    hosts: hosts.map(({ name }) => ({ name, sandboxes: sandboxesIn(dataOf(name)) })),
    file,
    keptIn: join(folder, "kept"),
  });

  const partOf = (name: string): Part => {
    const part = parts.get(name);
    if (!part) throw new Error(`there is no part ${name}`);
    return part;
  };

  async function start(name: string): Promise<void> {
    const part = partOf(name);
    for (;;) {
      try {
        const child = await startPart(part.args, part.env, { heard: (line) => heard(part, line) });
        part.child = child;
        child.once("exit", (code, signal) => {
          if (part.child === child) ended.push(`${name} ended by itself: ${signal ?? code}`);
        });
        return;
      } catch (error) {
        heard(part, String(error));
        await pause(startPause_ms);
      }
    }
  }

  async function kill(name: string): Promise<void> {
    const part = partOf(name);
    const { child } = part;
    part.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Nothing may outlive this process, however that ends. */
  const abandon = () => {
    for (const { child } of parts.values()) child?.kill("SIGKILL");
    postgres.abandon();
  };
  process.once("exit", abandon);
  await Promise.all([...parts.keys()].map(start));

  return {
    targets: {
      serves: serves.map(({ name }) => name),
      hands: hosts.map(({ name }) => name),
      links: [...links.keys()],
    },
    links,
    urls,
    kill,
    start,
    freeze: (name) => void partOf(name).child?.kill("SIGSTOP"),
    thaw: (name) => void partOf(name).child?.kill("SIGCONT"),
    restartPostgres: postgres.restart,
    moveClock: database.moveClock,
    killSandbox: (on, nth) => killSandbox(dataOf(on), nth),
    workspaces: workspaces.of,
    hostIds: () => new Map(hosts.map(({ name }) => [hostIdIn(dataOf(name)), name])),
    ended,
    log: (name) => partOf(name).log,
    async close() {
      process.off("exit", abandon);
      workspaces.close();
      await Promise.all([...parts.keys()].map(kill));
      await Promise.all([...links.values()].map((each) => each.close()));
      await database.close();
      await postgres.stop();
      // What ran in a sandbox may still write.
      for (const path of [folder, ...runtimes])
        rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

function heard(part: Part, line: string): void {
  part.log.push(line);
  if (part.log.length > logLinesMax) part.log.shift();
}
