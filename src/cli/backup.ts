import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { makeBackup } from "../backup/backup.ts";
import { ownFileStore } from "../config/files.ts";
import type { Config } from "../config.ts";
import { clusterMajor } from "../db/embedded/cluster.ts";
import { limits } from "../limits.ts";
import { byteProgress, mib } from "./byte-progress.ts";
import { explain } from "./explain.ts";
import { apiKeyFile, configOrExit, hasOwnFiles, hasOwnStorage } from "./machine.ts";
import { openOwnPostgres } from "./own-postgres.ts";
import type { Form } from "./print.ts";
import { jsonText } from "./terminal.ts";
import { version } from "./version.ts";

export function backupCommand(): Command {
  return new Command("backup")
    .description(
      "Copy the embedded database, files, workspaces and the API key of this machine, while the server runs",
    )
    .argument("<folder>", "a folder that does not exist yet, or is empty")
    .option("--with-master-key", "the key too that opens the secrets in the database")
    .option("--json", "print what is in it as JSON")
    .action(async (folder: string, { withMasterKey = false, json }: { withMasterKey?: boolean } & Form) => {
      try {
        await backup(configOrExit(), resolve(folder), { withMasterKey, json });
      } catch (error) {
        process.stderr.write(`drover backup: ${explain(error)}\n`);
        process.exit(1);
      }
    });
}

async function backup(
  config: Config,
  folder: string,
  { withMasterKey, json }: { withMasterKey: boolean } & Form,
): Promise<void> {
  if (config.database_url !== null)
    throw new Error(
      "DATABASE_URL names a database of your own: back it up with PostgreSQL's tools, as docs/DURABILITY.md says",
    );
  const postgres = join(config.data_dir, "postgres");
  const postgres_major = existsSync(postgres) ? clusterMajor(postgres) : null;
  if (postgres_major === null) throw new Error(`${config.data_dir} holds no embedded database`);
  const ownKey = config.master_key.from === "file" && config.master_key.own ? config.master_key.path : null;
  if (withMasterKey && ownKey === null)
    throw new Error("the master key is not in the data directory: keep a copy of it yourself");
  const ownStorage = hasOwnStorage(config);
  const ownFiles = hasOwnFiles(config);
  const server = await openOwnPostgres(config);
  const progress = byteProgress(process.stderr);
  try {
    const { files, bytes, api_key, master_key, left_out } = await makeBackup({
      folder,
      kept: {
        postgres,
        hands: join(config.data_dir, "hands"),
        storage: ownStorage ? config.storage : null,
        files: ownFiles ? join(config.data_dir, ownFileStore) : null,
        api_key: apiKeyFile(config.data_dir),
        master_key: withMasterKey ? ownKey : null,
      },
      admin_url: server.admin_url,
      postgres_major,
      version,
      progress,
    });
    progress.clear();
    const out = process.stdout;
    if (json) {
      const left = { own_files: ownFiles, own_storage: ownStorage };
      out.write(`${jsonText({ folder, files, bytes, api_key, master_key, ...left, left_out }, 2)}\n`);
      return;
    }
    out.write(`backup ${folder}\n`);
    out.write(`  ${files} files, ${mib(bytes)} MiB, read back and compared\n`);
    for (const { path, why } of left_out.slice(0, limits.backup_left_out_named_max))
      out.write(`  left out: ${JSON.stringify(path)} ${why}\n`);
    const unnamed = left_out.length - limits.backup_left_out_named_max;
    if (unnamed > 0) out.write(`  left out: ${unnamed} more\n`);
    if (api_key) out.write("  the server's API key is in it: keep it like the key\n");
    if (master_key) out.write("  the master key is in it: whoever has the backup can open its secrets\n");
    else
      out.write(
        `  not in it: the master key (${ownKey ?? "DROVER_MASTER_KEY"}), without which no secret in it opens: keep a copy elsewhere\n`,
      );
    out.write("  not in it: the file that DROVER_CONFIG names, and environment variables\n");
    if (!ownFiles) out.write(`  nor in it: what files hold, which lies elsewhere (DROVER_FILES)\n`);
    if (!ownStorage)
      out.write(`  nor in it: the storage, which others share (DROVER_STORAGE, ${config.storage})\n`);
  } finally {
    await server.stop();
  }
}
