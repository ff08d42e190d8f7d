import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import pg from "pg";
import { apiKeyFile, thisMachine } from "../../src/cli/machine.ts";
import { readConfig } from "../../src/config.ts";
import { masterKeyOf } from "../../src/vault/master-key.ts";
import { createSeal } from "../../src/vault/seal.ts";
import { openAs, passPlace, passSecret } from "../../src/vault/secrets.ts";
import { freePort } from "../harness/free-port.ts";
import { waiting } from "../harness/waiting.ts";
import { type Accounts, startAccounts } from "./accounts.ts";
import { git, type Hosts, startHosts } from "./hosts.ts";
import { type Canaries, createCanaries, random } from "./secrets.ts";

const root = join(import.meta.dirname, "../..");
const systemTrust = "/etc/ssl/certs/ca-certificates.crt";

/** Why it cannot be run here; false if it can. */
export const skipCanary: string | false =
  process.getuid?.() !== 0
    ? "needs processes of several users, and ports of the web"
    : (["/usr/bin/python3", "/usr/bin/curl", "/usr/bin/git", "/usr/bin/setpriv", systemTrust]
        .filter((path) => !existsSync(path))
        .map((path) => `needs ${path}`)[0] ?? false);

/** What is put into a vault, and beside it. */
export interface Given {
  bearer: string;
  access_token: string;
  refresh_token: string;
  client_secret: string;
  header: string;
  body: string;
  everywhere: string;
  repository: string;
  provider: string;
}

/** A `drover up` on a fresh data directory, as root, and all that it speaks with. */
export interface Rig {
  /** Only what this run has made is in it: `data`, `tmp` (its /tmp), `cwd` and what the hosts need. */
  folder: string;
  runtime_dir: string;
  pid: number;
  port: number;
  /** All that its processes have written, by the output. */
  said: { stdout: string; stderr: string };
  hosts: Hosts;
  accounts: Accounts;
  canaries: Canaries;
  given: Given;
  /** No secret: what the scanner is to find wherever it looks. */
  decoy: string;
  client: Anthropic;
  /** Whole bodies of the answers of its API, streams left out, and those to requests with mistakes in them. */
  answers: string[];
  admin<Row extends object>(sql: string): Promise<Row[]>;
  /** Makes what the session has of its own known as secrets, and tells its pass. */
  learnPass(sessionId: string): Promise<string>;
  close(): Promise<void>;
}

/** `main`: of another version of the program. */
export async function startRig(main = join(root, "src/main.ts")): Promise<Rig> {
  const canaries = createCanaries();
  const planted = `planted-${randomBytes(12).toString("hex")}`;
  const decoy = `decoy-${randomBytes(12).toString("hex")}`;
  for (const each of [planted, decoy]) canaries.add("decoy", each);
  const folder = mkdtempSync(join(tmpdir(), `drover-${planted}-`));
  chmodSync(folder, 0o711);
  for (const name of ["data", "tmp", "cwd"]) mkdirSync(join(folder, name));
  chmodSync(join(folder, "tmp"), 0o1777);
  chmodSync(join(folder, "data"), 0o711);
  const given: Given = {
    bearer: `cnry-bearer-${random()}`,
    access_token: `cnry-access-${random()}`,
    refresh_token: `cnry-refresh-${random()}`,
    client_secret: `cnry secret/+ "<&>' ${random()}`,
    header: `sk-ant-api03-${random(40)}`,
    body: `cnry/b+d="&<%> '\\${random()}`,
    everywhere: `cnry-everywhere-${random()}`,
    repository: `ghp_${random(36).replaceAll(/[^A-Za-z0-9]/g, "x")}`,
    provider: `sk-ant-provider-${random()}`,
  };
  for (const [name, secret] of Object.entries(given)) canaries.add(name, secret);
  const hosts = await startHosts(folder, given.repository);
  const accounts = await startAccounts(hosts.address, given, canaries);
  const port = await freePort();
  writeFileSync(
    join(folder, "drover.yaml"),
    JSON.stringify({ repositories: { hosts: [{ url: `https://${git}`, private_network: true }] } }),
  );
  const env = {
    PATH: process.env.PATH,
    HOME: join(folder, "cwd"),
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    // Handed on to all parts; root's have no use for it.
    XDG_RUNTIME_DIR: `/${decoy}`,
    DROVER_DATA_DIR: join(folder, "data"),
    DROVER_PORT: String(port),
    DROVER_LOG: "trace",
    DROVER_HELLO: "0",
    DROVER_CONFIG: join(folder, "drover.yaml"),
    DROVER_ALLOW_PRIVATE_HOSTS: `${hosts.address},${hosts.other_address}`,
    DROVER_ANTHROPIC_API_KEY: given.provider,
    DROVER_ANTHROPIC_BASE_URL: accounts.provider_url,
  };
  const { runtime_dir } = readConfig(env, thisMachine());
  const said = { stdout: "", stderr: "" };
  const { ring, until } = waiting();
  const child = spawn(
    "unshare",
    ["--mount", "--propagation", "private", "sh", "-c", script(folder, hosts, main)],
    {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env,
    },
  );
  let over = false;
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk) => {
      said[name] += chunk;
      ring();
    });
  child.on("close", () => {
    over = true;
    ring();
  });

  async function close(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "close");
    }
    hosts.close();
    await accounts.close();
    for (const each of [folder, runtime_dir]) rmSync(each, { recursive: true, force: true });
  }

  async function admin<Row extends object>(sql: string): Promise<Row[]> {
    const own = new pg.Client({ host: join(runtime_dir, "pg"), user: "postgres", database: "drover" });
    await own.connect();
    try {
      return (await own.query<Row>(sql)).rows;
    } finally {
      await own.end();
    }
  }

  try {
    await until(() => {
      if (over) throw new Error(`drover up ended: ${said.stdout}${said.stderr}`);
      return /^ready http/m.test(said.stdout) || undefined;
    });
    const apiKey = readFileSync(apiKeyFile(join(folder, "data")), "utf8").trim();
    const masterKey = readFileSync(join(folder, "data/master-key"), "utf8").trim();
    canaries.add("API key", apiKey);
    canaries.add("master key", masterKey);
    canaries.add("master key, its bytes", Buffer.from(masterKey, "base64"));
    const answers: string[] = [];
    const client = new Anthropic({
      baseURL: `http://127.0.0.1:${port}`,
      apiKey,
      authToken: null,
      maxRetries: 0,
      async fetch(url, init) {
        const answer = await fetch(url, init);
        const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream");
        answers.push(JSON.stringify([...answer.headers]));
        if (!isStream) answers.push(await answer.clone().text());
        return answer;
      },
    });
    const seal = createSeal(masterKeyOf(masterKey));
    return {
      ...{
        folder,
        runtime_dir,
        port,
        said,
        hosts,
        accounts,
        canaries,
        given,
        decoy,
        client,
        answers,
        admin,
        close,
      },
      pid: child.pid ?? 0,
      async learnPass(id) {
        type Pass = { workspace_id: string; secret: string };
        const [row] = await admin<Pass>(
          `select workspace_id, secret from session_pass where session_id = '${id}'`,
        );
        if (!row) throw new Error(`the session ${id} has no pass`);
        const place = passPlace(row.workspace_id, id);
        // A version that seals nothing has it in the clear.
        const own = row.secret.startsWith("v1:")
          ? await openAs(passSecret, seal, row.secret, place)
          : passSecret.parse(JSON.parse(row.secret));
        canaries.add("session pass", own.pass);
        for (const line of own.private_key.split("\n").filter((line) => /^[\w+/=]{20,}$/.test(line)))
          canaries.add("private key of the authority", line);
        return own.pass;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** With its own /tmp, its own name server and our authority among those that the system trusts. */
function script(folder: string, { address, ca }: Hosts, main: string): string {
  writeFileSync(join(folder, "resolv.conf"), `nameserver ${address}\noptions timeout:2 attempts:2\n`);
  const system = readFileSync(systemTrust, "utf8");
  writeFileSync(join(folder, "ca-certificates.crt"), `${system}\n${ca}`);
  const inTmp = [folder, root, join(main, "../..")].filter((path) => path.startsWith("/tmp/"));
  const cache = process.env.NODE_COMPILE_CACHE;
  if (cache?.startsWith("/tmp/")) inTmp.push(cache);
  return [
    "set -e",
    `mount --bind ${folder}/resolv.conf /etc/resolv.conf`,
    `mount --bind ${folder}/ca-certificates.crt ${systemTrust}`,
    ...new Set(inTmp.map((path) => `mkdir -p ${folder}/${path} && mount --rbind ${path} ${folder}/${path}`)),
    `mount --rbind ${folder}/tmp /tmp`,
    `cd ${folder}/cwd`,
    `exec ${process.execPath} ${main} up`,
  ].join("\n");
}
