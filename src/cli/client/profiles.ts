import { Command, InvalidArgumentError, Option } from "commander";
import { Failure } from "../exits.ts";
import { explain } from "../explain.ts";
import { serverUrl } from "../server-url.ts";
import { jsonText, visibleLine } from "../terminal.ts";
import {
  type Profiles,
  profileFile,
  profileName,
  profileNamed,
  readProfiles,
  writeProfiles,
} from "./profile-file.ts";
import { readSecret, refuseSecrets } from "./secret.ts";
import { table } from "./table.ts";

export function profilesCommand(): Command {
  const profiles = new Command("profiles").description("Keep the addresses and keys of servers under names");

  profiles
    .command("list")
    .alias("ls")
    .description("List the profiles, never their keys")
    .option("--json", "print an array of JSON")
    .action(acting(async ({ json }: { json?: boolean }) => print(readProfiles(), json === true)));

  profiles
    .command("set")
    .description("Make a profile or change it. The key is asked for, or read from standard input")
    .allowExcessArguments()
    .hook("preAction", refuseSecrets)
    .argument("<name>", "what it is called", name)
    .addOption(new Option("--base-url <url>", "the server's address").argParser(serverUrl))
    .option("--no-key", "keep no key: DROVER_API_KEY has it, or the server on this machine")
    .action(
      acting(async (called: string, { baseUrl, key }: { baseUrl?: string; key: boolean }) => {
        const all = readProfiles();
        const base_url =
          baseUrl ?? (Object.hasOwn(all.profiles, called) ? all.profiles[called]?.base_url : undefined);
        if (base_url === undefined)
          throw new Failure("a new profile needs the server's address: --base-url <url>", 2);
        const api_key = key ? await readSecret(`API key of ${base_url}`) : null;
        all.profiles[called] = { base_url, api_key };
        all.used ??= called;
        writeProfiles(all);
        process.stderr.write(
          `${called} is kept in ${profileFile()}${all.used === called ? ", and in use" : ""}\n`,
        );
      }),
    );

  profiles
    .command("use")
    .description("Ask this server from now on, where nothing else is said")
    .argument("<name>", "the profile")
    .action(
      acting(async (called: string) => {
        const all = readProfiles();
        const { base_url } = profileNamed(called, all);
        writeProfiles({ ...all, used: called });
        process.stderr.write(`${called} is in use: ${base_url}\n`);
      }),
    );

  profiles
    .command("rm")
    .description("Forget a profile and its key")
    .argument("<name>", "the profile")
    .action(
      acting(async (called: string) => {
        const all = readProfiles();
        profileNamed(called, all);
        const { [called]: _, ...rest } = all.profiles;
        writeProfiles({ used: all.used === called ? null : all.used, profiles: rest });
        process.stderr.write(
          `${called} is forgotten${all.used === called ? "; no profile is in use" : ""}\n`,
        );
      }),
    );
  return profiles;
}

function print({ used, profiles }: Profiles, json: boolean): void {
  const rows = Object.entries(profiles).map(([name, { base_url, api_key }]) => ({
    name,
    base_url,
    has_key: api_key !== null,
    used: name === used,
  }));
  if (json) process.stdout.write(`${jsonText(rows, 2)}\n`);
  else if (rows.length === 0) process.stderr.write("there is no profile: drover profiles set makes one\n");
  else
    process.stdout.write(
      table(
        ["name", "base url", "key", "in use"],
        rows.map(({ name, base_url, has_key, used }) => [
          name,
          base_url,
          has_key ? "kept" : "none",
          used ? "yes" : "",
        ]),
        process.stdout,
      ),
    );
}

const acting =
  <Args extends unknown[]>(run: (...args: Args) => Promise<void>) =>
  async (...args: Args): Promise<void> => {
    try {
      await run(...args);
    } catch (error) {
      process.stderr.write(`${visibleLine(explain(error))}\n`);
      process.exitCode = error instanceof Failure ? error.exit : 1;
    }
  };

function name(text: string): string {
  if (profileName.test(text)) return text;
  throw new InvalidArgumentError("It must be letters, digits, dots, hyphens and underscores, 64 at most.");
}
