import type { System } from "../../../src/protocol/system.ts";
import { bytes, count } from "../format/number.ts";
import { duration } from "../format/time.ts";

/** How each part of the server is, and what to do where one is not well. */

export type Health = "good" | "warn" | "bad";

export interface Part {
  name: string;
  health: Health;
  says: string;
  /** What to do; null where nothing is. */
  todo: string | null;
}

/** Above them something is wrong. */
const bounds = {
  statement_ms: 50,
  beat_s: 20,
  queue_warn_s: 5,
  queue_bad_s: 60,
  work_s: 60,
} as const;

const good = (name: string, says: string): Part => ({ name, health: "good", says, todo: null });
const long = (seconds: number) => duration(seconds * 1_000);
const many = (n: number, one: string, more: string) => (n === 1 ? `1 ${one}` : `${count(n)} ${more}`);

function database({ database: { version, size_bytes, latency_ms }, migrations }: System): Part {
  const says = `PostgreSQL ${version.split(" ")[0]}, ${bytes(size_bytes)}, ${latency_ms.toFixed(1)} ms for a statement`;
  if (migrations.unknown.length > 0)
    return {
      name: "Database",
      health: "bad",
      says: `${says}; a newer version of Drover has changed it`,
      todo: `The process that answers is older than its database (migrations ${migrations.unknown.join(", ")}): update it.`,
    };
  if (latency_ms > bounds.statement_ms)
    return {
      name: "Database",
      health: "warn",
      says,
      todo: "Statements take long. Look at the slow ones below, at the load of the database's machine, and at the network to it.",
    };
  return good("Database", says);
}

function files({ storage: { place, status, file_bytes, contents, strays } }: System): Part {
  if (status === "away")
    return {
      name: "Files",
      health: "bad",
      says: `the store at ${place} cannot be reached`,
      todo: "Uploads fail, and so do sessions that need their files, until it is back. Look whether the disk or the bucket is there, and whether this process may use it: drover doctor says.",
    };
  const left = strays > 0 ? `, ${count(strays)} to be removed` : "";
  // The database has not counted them yet.
  const about = contents > 0 ? ` in about ${many(contents, "content", "contents")}` : "";
  return good("Files", `${bytes(file_bytes)}${about}${left}, at ${place}`);
}

/** Against the newest beat: the clocks of this browser and of the database may differ. */
export const isSilent = ({ brains }: System, beat_at: string): boolean =>
  Math.max(...brains.map((brain) => Date.parse(brain.beat_at))) - Date.parse(beat_at) > bounds.beat_s * 1_000;

function brains(system: System): Part {
  const driving = system.brains.filter(({ roles }) => roles.includes("brain"));
  const silent = driving.filter(({ beat_at }) => isSilent(system, beat_at));
  const sessions = driving.reduce((sum, brain) => sum + brain.sessions, 0);
  const says = `${many(driving.length, "process", "processes")}, at work on ${many(sessions, "session", "sessions")}`;
  if (driving.length === silent.length)
    return {
      name: "Brains",
      health: "bad",
      says: driving.length === 0 ? "none" : `none of ${driving.length} has been heard of lately`,
      todo: "No session goes on until one is there: start drover serve, with brain among its --roles.",
    };
  if (silent.length > 0)
    return {
      name: "Brains",
      health: "warn",
      says: `${says}; ${silent.length} not heard of lately`,
      todo: "Its sessions go to the others. Look at its log and at its connection to the database.",
    };
  if (new Set(system.brains.map(({ version }) => version)).size > 1)
    return {
      name: "Brains",
      health: "warn",
      says: `${says}, of different versions`,
      todo: "That is as it should be while you update. Update the rest.",
    };
  return good("Brains", says);
}

function queue({ queue: { waiting, oldest_seconds } }: System): Part {
  if (waiting === 0) return good("Queue", "no session waits for a brain");
  const says = `${many(waiting, "session waits", "sessions wait")}, the first for ${long(oldest_seconds)}`;
  if (oldest_seconds < bounds.queue_warn_s) return good("Queue", says);
  return {
    name: "Queue",
    health: oldest_seconds < bounds.queue_bad_s ? "warn" : "bad",
    says,
    todo: "The brains do not keep up: start more drover serve processes with the role brain, or give their machine more processors.",
  };
}

function hands({ sandbox_hosts: hosts }: System): Part {
  if (hosts.length === 0)
    return {
      name: "Sandbox hosts",
      health: "bad",
      says: "none",
      todo: "Tools that need a sandbox cannot run: start drover hands, and name it in DROVER_HANDS_HOSTS.",
    };
  const up = hosts.filter(({ status }) => status === "up");
  const of = (key: "sandboxes" | "sandboxes_in_use" | "sandboxes_max") =>
    up.reduce((sum, host) => sum + (host[key] ?? 0), 0);
  const says = `${up.length} of ${hosts.length} up, ${many(of("sandboxes"), "sandbox", "sandboxes")} of ${count(of("sandboxes_max"))}, ${count(of("sandboxes_in_use"))} in use`;
  if (up.length < hosts.length)
    return {
      name: "Sandbox hosts",
      health: up.length === 0 ? "bad" : "warn",
      says,
      todo: "Look whether drover hands runs on the ones that are down, and whether this process reaches their addresses. Sessions there wait a while, then go on elsewhere if their workspaces are kept in the file store.",
    };
  if (up.some(({ checkpoints_failing }) => checkpoints_failing))
    return {
      name: "Sandbox hosts",
      health: "bad",
      says: `${says}; a host cannot keep workspaces`,
      todo: "If that host dies now, work is lost. Look at its log: the file store may be away, or a disk full.",
    };
  if (of("sandboxes_max") > 0 && of("sandboxes_in_use") >= of("sandboxes_max"))
    return {
      name: "Sandbox hosts",
      health: "warn",
      says: `${says}: there is no room`,
      todo: "New calls wait until a sandbox is free. Add a host, or raise DROVER_SANDBOXES_MAX where memory is left.",
    };
  return good("Sandbox hosts", says);
}

function egress({ sandbox_hosts: hosts }: System): Part {
  const told = hosts.filter(({ status, egress: takes }) => status === "up" && takes !== null);
  const down = told.filter(({ egress: takes }) => !takes);
  if (told.length === 0) return good("Egress", "no host says anything of it");
  if (down.length === 0) return good("Egress", `takes connections on ${many(told.length, "host", "hosts")}`);
  return {
    name: "Egress",
    health: "warn",
    says: `takes no connections on ${down.length} of ${many(told.length, "host", "hosts")}`,
    todo: `Sandboxes there reach no network, and use no credentials: start drover egress beside drover hands (${down.map(({ address }) => address).join(", ")}).`,
  };
}

function work({ work: { waiting, held, oldest_seconds } }: System): Part {
  const says = `${count(waiting)} wait, ${count(held)} held by workers`;
  if (waiting === 0 || oldest_seconds < bounds.work_s) return good("Self-hosted work", says);
  return {
    name: "Self-hosted work",
    health: "warn",
    says: `${says}, the first waits for ${long(oldest_seconds)}`,
    todo: "No worker takes it: look at the environment's page whether one is connected, and at its log.",
  };
}

export const healthOf = (system: System): Part[] =>
  [database, files, brains, queue, hands, egress, work].map((look) => look(system));

/** The part that keeps all others from being asked after, by the status of the answer that was none; null where it is no such. */
export function partAway(status: number): Part | null {
  if (status === 0)
    return {
      name: "Server",
      health: "bad",
      says: "cannot be reached",
      todo: "Look whether drover serve runs, and whether this browser reaches its address.",
    };
  if (status === 503)
    return {
      name: "Database",
      health: "bad",
      says: "does not answer",
      todo: "Nothing goes on until it is back; what was begun goes on by itself then. Look whether PostgreSQL runs, and whether this process reaches it: drover doctor says.",
    };
  return null;
}
