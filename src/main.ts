import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { backupCommand } from "./cli/backup.ts";
import { certsCommand } from "./cli/certs.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { egressCommand } from "./cli/egress.ts";
import { environmentsCommand } from "./cli/environments.ts";
import { handsCommand } from "./cli/hands.ts";
import { imageCommand } from "./cli/image.ts";
import { configOrExit, readApiKey, serverUrlOrExit } from "./cli/machine.ts";
import { modelsCommand } from "./cli/models.ts";
import { restoreCommand } from "./cli/restore.ts";
import { type RunDefaults, runCommand } from "./cli/run.ts";
import { serveCommand } from "./cli/serve.ts";
import { upCommand } from "./cli/up.ts";
import { version } from "./cli/version.ts";
import { workerCommand } from "./cli/worker.ts";

/** For the server on this machine, as far as this user may read its key. */
const runDefaults: RunDefaults = {
  url: () => serverUrlOrExit(),
  apiKey: () => process.env.DROVER_API_KEY || readApiKey(configOrExit().data_dir),
  model: () => process.env.DROVER_MODEL || "simulated",
};

const program = new Command("drover")
  .description("A self-hosted server for managed agents")
  .version(version)
  .addHelpText(
    "after",
    "\nSettings are environment variables and the file that DROVER_CONFIG names: see the README. `drover doctor` checks this machine.",
  )
  .addCommand(upCommand(fileURLToPath(import.meta.url)))
  .addCommand(runCommand(runDefaults))
  .addCommand(doctorCommand())
  .addCommand(modelsCommand())
  .addCommand(environmentsCommand(runDefaults))
  .addCommand(backupCommand())
  .addCommand(restoreCommand())
  .addCommand(serveCommand())
  .addCommand(handsCommand())
  .addCommand(egressCommand())
  .addCommand(workerCommand())
  .addCommand(imageCommand())
  .addCommand(certsCommand());

await program.parseAsync();
