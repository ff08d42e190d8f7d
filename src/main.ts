import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { doctorCommand } from "./cli/doctor.ts";
import { handsCommand } from "./cli/hands.ts";
import { readApiKey } from "./cli/machine.ts";
import { runCommand } from "./cli/run.ts";
import { serveCommand } from "./cli/serve.ts";
import { upCommand } from "./cli/up.ts";
import { version } from "./cli/version.ts";

const program = new Command("drover")
  .description("A self-hosted server for managed agents")
  .version(version)
  .addHelpText(
    "after",
    "\nSettings are environment variables: see the README's table. `drover doctor` checks this machine.",
  )
  .addCommand(upCommand(fileURLToPath(import.meta.url)))
  .addCommand(runCommand(runDefaults))
  .addCommand(doctorCommand())
  .addCommand(serveCommand())
  .addCommand(handsCommand());

/** For the server on this machine, as far as this user may read its key. */
function runDefaults() {
  const { DROVER_URL, DROVER_PORT, DROVER_API_KEY, DROVER_MODEL } = process.env;
  return {
    url: DROVER_URL || `http://127.0.0.1:${DROVER_PORT || 8400}`,
    apiKey: DROVER_API_KEY || readApiKey(),
    model: DROVER_MODEL || "simulated",
  };
}

await program.parseAsync();
