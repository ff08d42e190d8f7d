import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Command } from "commander";
import pg from "pg";
import { shownProxy } from "../config/egress.ts";
import type { Config } from "../config.ts";
import { packagedBinaries, supportedMajors, systemBinaries } from "../db/embedded/binaries.ts";
import { findPrimary, urlsOf } from "../db/hosts.ts";
import { openFileStore } from "../files/open.ts";
import { anyChange, connectHost } from "../hands/client.ts";
import type { HostAddress } from "../hands/connection.ts";
import type { Enforcement, LimitName } from "../hands/driver.ts";
import { chosenDriver } from "../hands/drivers/chosen.ts";
import { expiryOf, type Identity, readIdentity } from "../hands/identity.ts";
import { openImages } from "../hands/images/images.ts";
import { checkSlots } from "../hands/network/network.ts";
import { listPrices } from "../models/price-table.ts";
import { pricesOf, readPriceTable } from "../models/prices.ts";
import { tooOld } from "../repositories/git.ts";
import { examineCredentials } from "./examine-credentials.ts";
import { examineSecrets } from "./examine-secrets.ts";
import { examineSockets } from "./examine-sockets.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import {
  answersLocally,
  closedFolder,
  configOrExit,
  egressSocketOf,
  handsSocketOf,
  hasOwnFiles,
  hasOwnStorage,
  isRoot,
  sayNoEgress,
  sayOwnStorage,
} from "./machine.ts";
import { modelsLine } from "./models.ts";
import { jsonText, painter, visibleLine } from "./terminal.ts";
import { weakSettings } from "./weak-settings.ts";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check this machine and say what to fix")
    .option("--json", "print the findings as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const findings = await examine(configOrExit());
      if (json) process.stdout.write(`${jsonText(findings, 2)}\n`);
      else print(findings);
      process.exitCode = findings.some((finding) => finding.level === "fail") ? 1 : 0;
    });
}

async function examine(config: Config): Promise<Finding[]> {
  const sandboxes = [...(await sandbox(config)), await network(), ...(await egress(config))];
  const { database_url: url } = config;
  const database = url === null ? ownDatabase() : await givenDatabase(url);
  return [
    node(),
    ...sandboxes,
    database,
    dataDir(config),
    ...images(config),
    ...storage(config),
    ...(await files(config)),
    ...(await examineSecrets(config)),
    ...(await examineCredentials(config)),
    ...examineSockets(config),
    ...weakSettings(config),
    git(config),
    await port(config),
    model(config),
    web(),
    search(config),
    ...(await sandboxHosts(config)),
  ];
}

function node(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  return major >= 24
    ? ok("node", process.version)
    : fail("node", `${process.version} is too old: install Node 24 or newer`);
}

/** Starts one and lets it go again. */
async function sandbox({ driver: settings }: Config): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), "drover-doctor-"));
  const driver = chosenDriver(settings, folder);
  try {
    const problem = await driver.check();
    if (problem !== null) return [warn("sandbox", `${problem} (until then, tools answer with this reason)`)];
    return [ok("sandbox", await driver.describe()), sandboxLimits(await driver.enforces())];
  } finally {
    await driver.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const limitNouns = { cpu: "processors", memory_bytes: "memory", processes: "processes", disk_bytes: "disk" };

/** What of a sandbox is limited, and what is not and why: an environment that asks for that gets no sandbox. */
function sandboxLimits(enforcement: Enforcement): Finding {
  const name = "limits";
  const each = Object.entries(limitNouns).map(([limit, noun]) => ({
    noun,
    enforced: enforcement[limit as LimitName],
  }));
  const said = each.map(({ noun, enforced }) => {
    if (enforced.scope === "sandbox")
      return `${noun} by ${enforced.by}${enforced.ends ? " (what goes beyond it ends the sandbox)" : ""}`;
    if (enforced.scope === "process") return `${noun} for each process alone, without ${enforced.needs}`;
    return `${noun} not at all, without ${enforced.needs}`;
  });
  const hold = each.every(({ enforced }) => enforced.scope === "sandbox");
  return (hold ? ok : warn)(name, `hold for a sandbox as a whole: ${said.join("; ")}`);
}

/** Prepares one and lets it go again. */
async function network(): Promise<Finding> {
  const problem = await checkSlots();
  return problem === null
    ? ok("network", "of a sandbox can be prepared, with nothing in it but a way to drover egress")
    : warn("network", `${problem} (until then, sandboxes with a network answer with this reason)`);
}

/** Looked at where there are sandboxes now: what is not started is no finding. */
async function egress(config: Config): Promise<Finding[]> {
  const path = egressSocketOf(config);
  const through = config.egress_proxy ? `; it goes through ${shownProxy(config.egress_proxy)}` : "";
  if (await answersLocally(path)) return [ok("egress", `answers at ${path}${through}`)];
  return (await answersLocally(handsSocketOf(config))) ? [warn("egress", sayNoEgress)] : [];
}

const connectMsMax = 3_000;

/** Connects to it once. The URL itself, which may hold a password, is never shown. */
async function givenDatabase(url: string): Promise<Finding> {
  const name = "database";
  try {
    const times = { connectionTimeoutMillis: connectMsMax, query_timeout: connectMsMax };
    const urls = urlsOf(url);
    const client = new pg.Client({
      ...times,
      connectionString: urls.length === 1 ? url : await findPrimary(urls, times),
    });
    client.on("error", () => {});
    try {
      await client.connect();
      const { rows } = await client.query<{ server_version: string }>("show server_version");
      const version = rows[0]?.server_version.split(" ")[0] ?? "";
      const [oldest = 0] = supportedMajors;
      const text = `PostgreSQL ${version} at DATABASE_URL (${client.host}, ${client.database})`;
      return Number.parseInt(version, 10) >= oldest
        ? ok(name, text)
        : fail(name, `${text} is too old: Drover needs ${oldest} or newer`);
    } finally {
      await client.end();
    }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const remedy = "see that it runs and that the URL is right, or unset it for a PostgreSQL of Drover's own";
    return fail(name, `DATABASE_URL cannot be used (${message || code}): ${remedy}`);
  }
}

function ownDatabase(): Finding {
  const [system] = systemBinaries();
  if (system) return ok("database", `PostgreSQL ${system.major} in ${system.folder}`);
  const folder = mkdtempSync(join(tmpdir(), "drover-doctor-"));
  try {
    const packaged = packagedBinaries(folder);
    return packaged
      ? ok("database", packaged.origin)
      : fail("database", "no PostgreSQL: install the package postgresql, or set DATABASE_URL");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const spareBytes = 1 << 30;

function dataDir({ data_dir }: Config): Finding {
  let place = data_dir;
  while (!existsSync(place)) place = dirname(place);
  try {
    accessSync(place, constants.W_OK);
  } catch {
    return fail("data", `${place} cannot be written: set DROVER_DATA_DIR to a folder that can`);
  }
  // The data directory itself is opened at the start.
  const closed = isRoot() ? closedFolder(place === data_dir ? dirname(place) : place) : null;
  if (closed !== null) {
    return fail(
      "data",
      `only root may pass ${closed}, and PostgreSQL and sandboxes are not root: set DROVER_DATA_DIR to another folder`,
    );
  }
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const text = `${data_dir}, ${(free / spareBytes).toFixed(1)} GiB free`;
  return free < spareBytes ? warn("data", `${text}: make room`) : ok("data", text);
}

/** Those that sandboxes of this machine can be made of. Whoever may not look into the folder is not told of any. */
function images({ data_dir }: Config): Finding[] {
  const folder = join(data_dir, "hands");
  try {
    const names = openImages(folder)
      .list()
      .map(({ name }) => name);
    return names.length === 0 ? [] : [ok("images", names.join(", "))];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "EACCES"
      ? []
      : [warn("images", `one in ${join(folder, "images")} cannot be read: ${message}`)];
  }
}

/** The one that is shared with other hosts. What is in it belongs to `hands`. */
function storage(config: Config): Finding[] {
  const name = "storage";
  const { storage: folder, hands } = config;
  // With certificates and no hosts to speak to, this machine is one of those hosts.
  const isShared = hands.tls !== null && hands.hosts.length === 0;
  if (hasOwnStorage(config)) return isShared ? [warn(name, sayOwnStorage(folder))] : [];
  if (!existsSync(folder))
    return [
      warn(name, `${folder} is not there: mount it before the first start, or one is made on this machine`),
    ];
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    return [fail(name, `${folder} cannot be written: let the user of drover hands write there`)];
  }
  const isKnown = existsSync(join(folder, "storage-id"));
  return [ok(name, `${folder}${isKnown ? "" : ", in which nothing is kept yet"}`)];
}

/** Where they lie in the data directory there is nothing to say of it. */
async function files(config: Config): Promise<Finding[]> {
  const name = "files";
  if (hasOwnFiles(config)) return [];
  const { store: settings } = config.files;
  if (settings.type === "folder" && !existsSync(settings.path))
    return [
      warn(name, `${settings.path} is not there: mount it before the first start, or one is made here`),
    ];
  const store = openFileStore(settings);
  try {
    const isKnown = (await store.identify(null)) !== null;
    return [ok(name, `${store.place}${isKnown ? "" : ", in which nothing is kept yet"}`)];
  } catch (error) {
    return [fail(name, `${store.place} cannot be read: ${(error as Error).message}`)];
  }
}

/** By which repositories are fetched. */
function git({ repositories: { hosts } }: Config): Finding {
  const name = "git";
  const from = hosts.map(({ url }) => url).join(", ") || "nowhere";
  try {
    const said = execFileSync("git", ["--version"], { encoding: "utf8" }).trim();
    const problem = tooOld(said);
    return problem === null ? ok(name, `${said}; repositories come from ${from}`) : warn(name, problem);
  } catch {
    return warn(name, "is not installed: sessions go on without their repositories");
  }
}

function port({ host, port: number }: Config): Promise<Finding> {
  const name = "port";
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === "EADDRINUSE"
          ? warn(name, `${host}:${number} is in use: by Drover itself, or set DROVER_PORT to another one`)
          : fail(name, `${host}:${number}: ${error.message}`),
      ),
    );
    server.listen(number, host, () => server.close(() => resolve(ok(name, `${host}:${number} is free`))));
  });
}

const model = ({ models }: Config): Finding => ok("models", modelsLine(models));

/** Pages are read by processes that start when they are needed, as the user that `serve` then is. */
function web(): Finding {
  const closed = isRoot() ? closedFolder(import.meta.dirname) : null;
  return closed === null
    ? ok("web", "agents can read pages (web_fetch)")
    : warn(
        "web",
        `only root may pass ${closed}, where Drover's program files are: move them, or agents can fetch no more than plain text`,
      );
}

function search({ search, models, prices_file }: Config): Finding {
  const name = "search";
  if (!search)
    return ok(
      name,
      "none, so web_search is not offered to agents; set DROVER_SEARCH to searxng, brave, anthropic, openai or google",
    );
  if (search.provider !== "vendor") return ok(name, `through ${search.provider} at ${search.url}`);
  const text = `by the vendor of ${search.model}, which is asked to search`;
  try {
    const prices = pricesOf(prices_file ? readPriceTable(prices_file) : listPrices, models);
    if (prices.has({ id: search.model })) return ok(name, text);
  } catch (error) {
    return fail(name, (error as Error).message);
  }
  return warn(
    name,
    `${text} and has no list price: sessions whose agent may search have no list_cost and take no budget until you add one to the file that DROVER_PRICES names`,
  );
}

const certificateSpareMs = 30 * 24 * 3_600_000;

/** Each host of another machine is greeted once, with the certificate by which a server would be known to it. */
async function sandboxHosts(config: Config): Promise<Finding[]> {
  const { tls, hosts } = config.hands;
  if (tls === null) return [];
  let identity: Identity;
  try {
    identity = readIdentity(tls, hosts.length > 0 ? "serve" : "hands");
  } catch (error) {
    return [fail("tls", (error as Error).message)];
  }
  const until = expiryOf(identity);
  const held = `${tls.cert} holds until ${until.toISOString().slice(0, 10)}`;
  const left = until.getTime() - Date.now();
  const certificate =
    left < certificateSpareMs ? warn("tls", `${held}: make new ones with drover certs`) : ok("tls", held);
  return [certificate, ...(await Promise.all(hosts.map((host) => greetHost({ ...host, identity }))))];
}

async function greetHost(address: HostAddress): Promise<Finding> {
  const name = "host";
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const host = connectHost({ ...address, silent_ms: connectMsMax, onTrouble: reject });
  try {
    await Promise.race([failed, anyChange([host], 2 * connectMsMax)]);
    const facts = host.facts();
    if (!facts) throw new Error("it does not answer");
    return ok(
      name,
      `${host.address} is ${facts.host_id}: ${facts.sandboxes} of ${facts.sandboxes_max} sandboxes run, by ${facts.driver}`,
    );
  } catch (error) {
    return warn(
      name,
      `${host.address} cannot be used (${(error as Error).message}): see that drover hands --listen runs there, with certificates of the same authority`,
    );
  } finally {
    host.close();
  }
}

function print(findings: Finding[]): void {
  const paint = painter(process.stdout);
  const marks = { ok: paint("green", "ok  "), warn: paint("yellow", "warn"), fail: paint("red", "fail") };
  for (const { name, level, text } of findings)
    process.stdout.write(`${marks[level]}  ${name.padEnd(9)} ${visibleLine(text)}\n`);
}
