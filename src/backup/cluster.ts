import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type Packing, packBelow, packFolder, packText } from "./pack.ts";

/** What PostgreSQL makes anew, and so is not copied; of a folder its content. */
const notKept = [
  /^(postmaster\.(pid|opts)|backup_label.*|tablespace_map.*|backup_manifest)$/,
  /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\/./,
  /(^|\/)(pgsql_tmp[^/]*|pg_internal\.init[^/]*)/,
  // Written all the time: it is read apart.
  /^global\/pg_control$/,
];

const controlFile = "global/pg_control";

/**
 * Copies the data directory of a running server as PostgreSQL's low-level backup calls have it: the files as they are at
 * some time or other between the two calls, and the log of what has happened to them since.
 */
export async function packCluster(
  packing: Packing,
  data: string,
  adminUrl: string,
  owner: { uid: number; gid: number },
): Promise<void> {
  const spaces = readdirSync(join(data, "pg_tblspc"));
  if (spaces.length > 0) throw new Error(`${data} has tablespaces elsewhere, which a backup would lack`);
  const client = new pg.Client({ connectionString: adminUrl });
  let cut: Error | null = null;
  client.on("error", (error) => {
    cut = error;
  });
  await client.connect();
  try {
    const start = await begin(client);
    packFolder(packing, "postgres", data, (path) => !notKept.some((pattern) => pattern.test(path)));
    packText(packing, `postgres/${controlFile}`, readControl(join(data, controlFile)), owner);
    const { label, first, last } = await finish(client, start);
    packText(packing, "postgres/backup_label", label, owner);
    packLog(packing, join(data, "pg_wal"), first, last);
  } catch (error) {
    throw cut ?? error;
  } finally {
    await client.end().catch(() => {});
  }
}

async function begin(client: pg.Client): Promise<string> {
  // Keeps the log from being recycled. It goes with this connection.
  await client.query("select pg_create_physical_replication_slot($1, true, true)", [
    `drover_backup_${process.pid}`,
  ]);
  const { rows } = await client.query<{ lsn: string }>(
    "select pg_backup_start('drover backup', true) as lsn",
  );
  return rows[0]?.lsn ?? "";
}

async function finish(client: pg.Client, start: string) {
  const { rows } = await client.query<{ label: string; first: string; last: string }>(
    `select labelfile as label, pg_walfile_name($1) as first, pg_walfile_name(lsn) as last
     from pg_backup_stop(wait_for_archive => false)`,
    [start],
  );
  const [row] = rows;
  if (!row) throw new Error("PostgreSQL said nothing about the end of the backup");
  return row;
}

/** The pieces of its log that lead from the copied files to one moment. */
function packLog(packing: Packing, folder: string, first: string, last: string): void {
  const needed = readdirSync(folder).filter(
    (name) => /^[0-9A-F]{24}$/.test(name) && name >= first && name <= last,
  );
  if (needed.length !== pieceOf(last) - pieceOf(first) + 1)
    throw new Error(`PostgreSQL's log has gaps between ${first} and ${last}: the backup cannot be used`);
  packBelow(packing, "postgres/pg_wal", folder, (path) => needed.includes(path));
}

/** Their number, at the usual 16 MiB each. */
const pieceOf = (name: string) =>
  Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16);

/** Until two looks agree: a read may come in the middle of a write. */
function readControl(file: string): Buffer {
  for (let before = readFileSync(file); ; ) {
    const now = readFileSync(file);
    if (now.equals(before)) return now;
    before = now;
  }
}
