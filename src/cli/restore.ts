import { join, resolve } from "node:path";
import { Command } from "commander";
import { restoreBackup } from "../backup/restore.ts";
import { requireEmpty } from "../backup/restoring.ts";
import type { Config } from "../config.ts";
import { chooseBinaries } from "../db/embedded/binaries.ts";
import { systemUser } from "../db/embedded/user.ts";
import { byteProgress } from "./byte-progress.ts";
import { explain } from "./explain.ts";
import { lockDataDir } from "./lock.ts";
import { configOrExit, isRoot, prepareFolders } from "./machine.ts";
import type { Form } from "./print.ts";
import { jsonText } from "./terminal.ts";
import { version } from "./version.ts";

export function restoreCommand(): Command {
  return new Command("restore")
    .description("Make an empty data directory (DROVER_DATA_DIR) from a backup")
    .argument("<folder>", "as `drover backup` has written it")
    .option("--json", "print what it has now as JSON")
    .action(async (folder: string, form: Form) => {
      try {
        await restore(configOrExit(), resolve(folder), form);
      } catch (error) {
        process.stderr.write(`drover restore: ${explain(error)}\n`);
        process.exit(1);
      }
    });
}

async function restore(config: Config, folder: string, { json }: Form): Promise<void> {
  const { data_dir } = config;
  if (config.database_url !== null)
    throw new Error("DATABASE_URL names a database of your own: unset it to restore the embedded one");
  requireEmpty(data_dir);
  prepareFolders(config, { restoring: true });
  const lock = await lockDataDir(data_dir, { onWait() {} });
  const progress = byteProgress(process.stderr);
  try {
    // Somebody may have been quicker.
    requireEmpty(data_dir);
    const restored = await restoreBackup({
      folder,
      data_dir,
      socket_dir: join(config.runtime_dir, "pg"),
      user: isRoot() ? systemUser("drover-postgres") : null,
      serve_user: isRoot() ? systemUser("drover") : null,
      binaries: (major) => chooseBinaries(major, join(data_dir, "postgres-binaries")),
      owners: isRoot(),
      progress,
    });
    progress.clear();
    const out = process.stdout;
    if (json) {
      out.write(`${jsonText({ data_dir, ...restored }, 2)}\n`);
      return;
    }
    out.write(`restored ${data_dir}\n`);
    out.write(
      `  ${restored.sessions} sessions and ${restored.files} files, as they were at ${restored.made_at}\n`,
    );
    if (restored.version !== version)
      out.write(`  made by version ${restored.version}; this is ${version}, which brings it up to date\n`);
    if (restored.api_key) out.write("  with the API key of that server\n");
    if (!restored.master_key)
      out.write(
        "  without its master key: put it where it was (DROVER_MASTER_KEY_FILE) before the server starts, or no secret opens\n",
      );
    out.write("  cursors of streams from before are refused: clients list the events and go on from there\n");
  } finally {
    lock.release();
  }
}
