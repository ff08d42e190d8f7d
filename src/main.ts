import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { aliases, commandGroups } from "./cli/commands.ts";
import { exits, exitsHelp, Failure } from "./cli/exits.ts";
import { heedReaders } from "./cli/standard-output.ts";
import { visibleLine } from "./cli/terminal.ts";
import { version } from "./cli/version.ts";

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
const all = Object.entries(commandGroups(fileURLToPath(import.meta.url))).flatMap(([group, commands]) =>
  Object.entries(commands).map(([name, make]) => ({ group, name, make })),
);
const asked = all.filter((each) => each.name === name);
const isCompleting = given === "complete";
// What stays outlives whoever reads what it says.
const stays = asked.some(({ name, group }) => name === "up" || group === "Parts of a server:");
if (!stays) heedReaders();
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
  const known = async (noun: string, words: readonly string[]) =>
    (await import("./cli/client/known.ts")).knownOf(noun, words);
  const found = await candidates(
    process.argv.slice(4),
    all.map(({ name }) => name),
    async (word) => (await all.find(({ name }) => name === (aliases[word] ?? word))?.make()) ?? null,
    known,
  );
  process.stdout.write(found.map((each) => `${each}\n`).join(""));
}

try {
  if (isCompleting) await complete();
  else await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exits.done : exits.usage;
  else if (error instanceof Failure) {
    process.stderr.write(`${visibleLine(error.message)}\n`);
    process.exitCode = error.exit;
  } else throw error;
}
