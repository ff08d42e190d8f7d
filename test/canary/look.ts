import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beta } from "../harness/headers.ts";
import { listed } from "../harness/session.ts";
import { git, impostor, other } from "./hosts.ts";
import type { Play } from "./play.ts";
import type { Rig } from "./rig.ts";
import { commandOf, createScanner, type Finding, processesOf, sameNamespace } from "./scan.ts";

/** Where a secret may stand: in the two files that are there for it, which root alone reads, and where up shows its user the key. */
const isItsPlace = (path: string): boolean => /\/data\/(master-key|api-key)$/.test(path);
const withoutWelcome = (stdout: string): string =>
  stdout.replace(/^( {2}API key {3}| {4}export ANTHROPIC_BASE_URL=\S+ ANTHROPIC_API_KEY=)\S+/gm, "$1");

/** All processes of a run. */
export function partsOf(rig: Rig): { name: string; pid: number; in_sandbox: boolean }[] {
  return processesOf(rig.folder).map((pid) => ({
    ...{ name: commandOf(pid), pid },
    in_sandbox: !sameNamespace(pid, rig.pid, "pid"),
  }));
}

export interface Looked {
  findings: Finding[];
  /** Kinds of places that were looked at. */
  places: string[];
}

/** Puts something that is looked for where nothing of the run would bring it. */
export function plant({ folder, runtime_dir }: Rig, decoy: string): void {
  for (const path of [`${folder}/tmp/new`, `${folder}/cwd/core.1`, `${runtime_dir}/planted`])
    writeFileSync(path, decoy);
}

/** `bystander`: a process of the user by whose eyes others are seen. Reads everything that was ever written, and what processes have in memory that are to have no secret. */
export async function lookEverywhere(rig: Rig, play: Play, bystander: number): Promise<Looked> {
  const { folder, runtime_dir, said, hosts, client, answers, canaries } = rig;
  const scanner = createScanner(canaries);
  const parts = partsOf(rig);
  for (const { pid, name } of parts.filter((each) => each.in_sandbox)) {
    scanner.process("environment and arguments in the sandbox", pid, name.slice(0, 40));
    scanner.memory("memory in the sandbox", pid, name.slice(0, 40));
  }
  const inside = parts.find(({ in_sandbox, name }) => in_sandbox && name.startsWith("bash --norc"));
  if (!inside) throw new Error("the sandbox has ended");
  for (const path of ["workspace", "tmp", "home", "dev/shm", "run"])
    scanner.folder("files in the sandbox", `/proc/${inside.pid}/root/${path}`);
  for (const { pid, name } of parts.filter(({ name }) => name.startsWith("drover hands")))
    scanner.memory("memory of hands", pid, name);
  const published = new Set(["drover hands", "drover egress"]);
  const strangers = parts.filter(({ in_sandbox, pid }) => !in_sandbox && pid !== process.pid);
  for (const { pid, name } of [...strangers, { pid: bystander, name: "a bystander" }]) {
    if (published.has(name)) scanner.process("environment of egress and hands", pid, name);
    scanner.text("arguments of processes", name.slice(0, 40), name);
    const seen = spawnSync("setpriv", [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "cat",
      `/proc/${pid}/environ`,
    ]);
    scanner.bytes("environments as another user sees them", name.slice(0, 40), seen.stdout);
  }
  scanner.folder(
    "data directory",
    `${folder}/data`,
    (path) => isItsPlace(path) || path.includes("/data/postgres/"),
  );
  await rig.admin("checkpoint");
  scanner.folder("files of PostgreSQL", `${folder}/data/postgres`);
  for (const { name } of await rig.admin<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
  ))
    for (const row of await rig.admin<{ row: string }>(`select t::text as row from ${name} t`))
      scanner.text("dump of the database", name, row.row);
  scanner.text("logs", "stderr", said.stderr);
  scanner.text("logs", "stdout", withoutWelcome(said.stdout));
  scanner.text("streams of events", "all", JSON.stringify(play.events));
  const events = await listed(client, play.id);
  scanner.text("lists of events", "all", JSON.stringify(events));
  const audit = { headers: { "anthropic-beta": beta } };
  scanner.text(
    "audit",
    "all",
    JSON.stringify(await client.get(`/v1/sessions/${play.id}/audit?limit=100`, audit)),
  );
  scanner.text("answers of the API", "all", answers.join("\n"));
  scanner.folder("files made in /tmp", `${folder}/tmp`);
  scanner.folder("working directory, with core files", `${folder}/cwd`);
  scanner.folder("runtime directory", runtime_dir);
  scanner.text(
    "what other hosts received",
    "all",
    JSON.stringify([other, impostor].map((host) => hosts.received.get(host))),
  );
  scanner.text("what was sent without TLS", "all", JSON.stringify(hosts.received.get("plain") ?? []));
  const paths = (hosts.received.get(git) ?? []).filter((said) => !/^\w+ \/team\/project\//.test(said));
  scanner.text("requests for other repositories", "all", JSON.stringify(paths));
  scanner.text("names in the DNS", "all", hosts.names.asked.join("\n"));
  return { findings: scanner.findings, places: [...scanner.places] };
}

/** Waits until the workspace was kept. */
export async function keptWorkspace({ folder }: Rig): Promise<void> {
  const workspaces = join(folder, "data/storage/documents/workspaces");
  const isThere = () =>
    existsSync(workspaces) &&
    readdirSync(workspaces, { recursive: true }).some((name) => /\d+\.json$/.test(String(name)));
  while (!isThere()) await pause(50);
}
