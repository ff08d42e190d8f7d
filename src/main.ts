import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { exits, exitsHelp } from "./cli/exits.ts";
import { version } from "./cli/version.ts";

type Groups = Record<string, Record<string, () => Promise<Command>>>;

/** By the name that each has itself, in the order in which the help has them. */
const groups: Groups = {
  "Agents at work:": {
    chat: async () => (await import("./cli/client/chat.ts")).chatCommand(),
    run: async () => (await import("./cli/client/run.ts")).runCommand(),
    sessions: async () => (await import("./cli/client/sessions.ts")).sessionsCommand(),
    agents: async () => (await import("./cli/client/agents.ts")).agentsCommand(),
    environments: async () => (await import("./cli/client/environments.ts")).environmentsCommand(),
    files: async () => (await import("./cli/client/files.ts")).filesCommand(),
    skills: async () => (await import("./cli/client/skills.ts")).skillsCommand(),
    vaults: async () => (await import("./cli/client/vaults.ts")).vaultsCommand(),
    audit: async () => (await import("./cli/client/audit.ts")).auditCommand(),
    profiles: async () => (await import("./cli/client/profiles.ts")).profilesCommand(),
    completion: async () => (await import("./cli/completion.ts")).completionCommand(),
  },
  "This machine:": {
    up: async () => (await import("./cli/up.ts")).upCommand(fileURLToPath(import.meta.url)),
    doctor: async () => (await import("./cli/doctor.ts")).doctorCommand(),
    models: async () => (await import("./cli/models.ts")).modelsCommand(),
    keys: async () => (await import("./cli/keys.ts")).keysCommand(),
    backup: async () => (await import("./cli/backup.ts")).backupCommand(),
    restore: async () => (await import("./cli/restore.ts")).restoreCommand(),
    image: async () => (await import("./cli/image.ts")).imageCommand(),
    certs: async () => (await import("./cli/certs.ts")).certsCommand(),
    bench: async () => (await import("./cli/bench.ts")).benchCommand(),
  },
  "Parts of a server:": {
    serve: async () => (await import("./cli/serve.ts")).serveCommand(),
    hands: async () => (await import("./cli/hands.ts")).handsCommand(),
    egress: async () => (await import("./cli/egress.ts")).egressCommand(),
    worker: async () => (await import("./cli/worker.ts")).workerCommand(),
  },
};
const aliases: Record<string, string> = { envs: "environments" };

const program = new Command("drover")
  .enablePositionalOptions()
  .description("A self-hosted server for managed agents")
  .version(version)
  .addHelpText(
    "after",
    `\n${exitsHelp}\n\nSettings are environment variables and the file that DROVER_CONFIG names: see the README. Every command: docs/CLI.md.\n\`drover doctor\` checks this machine.`,
  );

// A process loads what its own command needs and nothing else; whatever is no command's name is answered with all of them.
const [, , given = ""] = process.argv;
const name = Object.hasOwn(aliases, given) ? aliases[given] : given;
const all = Object.entries(groups).flatMap(([group, commands]) =>
  Object.entries(commands).map(([name, make]) => ({ group, name, make })),
);
const asked = all.filter((each) => each.name === name);
const isCompleting = given === "complete";
if (!isCompleting)
  for (const { group, make } of asked.length > 0 ? asked : all)
    program.addCommand((await make()).helpGroup(group));

/** What commander says of a wrong use ends a process with its own code, and help that was asked for with 0. */
function settle(command: Command): void {
  command.exitOverride();
  for (const each of command.commands) settle(each);
}
settle(program);

/** What completion in shells asks; the words are those after `--`. */
async function complete(): Promise<void> {
  const { candidates } = await import("./cli/completion.ts");
  const found = await candidates(
    process.argv.slice(4),
    all.map(({ name }) => name),
    async (word) => (await all.find(({ name }) => name === (aliases[word] ?? word))?.make()) ?? null,
  );
  process.stdout.write(found.map((each) => `${each}\n`).join(""));
}

try {
  if (isCompleting) await complete();
  else await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exits.done : exits.usage;
}
