import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { configOrExit, readApiKey, serverUrlOrExit } from "./cli/machine.ts";
import type { RunDefaults } from "./cli/run.ts";
import { version } from "./cli/version.ts";

/** For the server on this machine, as far as this user may read its key. */
const runDefaults: RunDefaults = {
  url: () => serverUrlOrExit(),
  apiKey: () => process.env.DROVER_API_KEY || readApiKey(configOrExit().data_dir),
  model: () => process.env.DROVER_MODEL || "simulated",
};

/** By the name that each has itself, in the order in which the help has them. */
const commands: Record<string, () => Promise<Command>> = {
  up: async () => (await import("./cli/up.ts")).upCommand(fileURLToPath(import.meta.url)),
  run: async () => (await import("./cli/run.ts")).runCommand(runDefaults),
  doctor: async () => (await import("./cli/doctor.ts")).doctorCommand(),
  models: async () => (await import("./cli/models.ts")).modelsCommand(),
  environments: async () => (await import("./cli/environments.ts")).environmentsCommand(runDefaults),
  vaults: async () => (await import("./cli/vaults.ts")).vaultsCommand(runDefaults),
  audit: async () => (await import("./cli/audit.ts")).auditCommand(runDefaults),
  keys: async () => (await import("./cli/keys.ts")).keysCommand(),
  backup: async () => (await import("./cli/backup.ts")).backupCommand(),
  restore: async () => (await import("./cli/restore.ts")).restoreCommand(),
  serve: async () => (await import("./cli/serve.ts")).serveCommand(),
  hands: async () => (await import("./cli/hands.ts")).handsCommand(),
  egress: async () => (await import("./cli/egress.ts")).egressCommand(),
  worker: async () => (await import("./cli/worker.ts")).workerCommand(),
  image: async () => (await import("./cli/image.ts")).imageCommand(),
  certs: async () => (await import("./cli/certs.ts")).certsCommand(),
};

const program = new Command("drover")
  .description("A self-hosted server for managed agents")
  .version(version)
  .addHelpText(
    "after",
    "\nSettings are environment variables and the file that DROVER_CONFIG names: see the README. `drover doctor` checks this machine.",
  );

// A process loads what its own command needs and nothing else; whatever is no command's name is answered with all of them.
const [, , name = ""] = process.argv;
const asked = Object.hasOwn(commands, name) ? commands[name] : undefined;
for (const make of asked ? [asked] : Object.values(commands)) program.addCommand(await make());

await program.parseAsync();
