import type Anthropic from "@anthropic-ai/sdk";
import { type Command, Option } from "commander";
import { Failure } from "../exits.ts";
import { serverUrl } from "../server-url.ts";
import { visibleLine } from "../terminal.ts";
import { type At, placeOf } from "./server.ts";

/** The options that say which server a command asks. */
export const withServer = (command: Command): Command =>
  command
    .addOption(
      new Option(
        "--base-url <url>",
        "the server's address (default: DROVER_BASE_URL, the profile in use, or the server on this machine)",
      ).argParser(serverUrl),
    )
    .addOption(
      new Option(
        "--profile <name>",
        "a server that drover profiles knows (default: DROVER_PROFILE)",
      ).conflicts("baseUrl"),
    );

/** Of an option that may be given several times. */
export const repeated = (value: string, before: string[] = []): string[] => [...before, value];

export const withJson = (command: Command, what = "print it as JSON"): Command =>
  command.option("--json", what);

/** An action that asks the server: what goes wrong there is said in a line, and is the exit code. */
export function asking<Args extends unknown[]>(
  run: (client: Anthropic, ...args: Args) => Promise<unknown>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander adds the command itself at the end, after the options.
    const args = given.slice(0, -1) as Args;
    await askServer(args.at(-1) as At, (client) => run(client, ...args));
  };
}

/** Asks it. Resolves when there is an exit code. */
export async function askServer(at: At, run: (client: Anthropic) => Promise<unknown>): Promise<void> {
  let url = "";
  const { connect, exitOf, explainAt } = await import("./connection.ts");
  try {
    const place = await placeOf(at);
    url = place.url;
    await run(connect(url, place.api_key));
  } catch (error) {
    process.stderr.write(
      `${error instanceof Failure ? visibleLine(error.message) : explainAt(url, error)}\n`,
    );
    process.exitCode = exitOf(error);
  }
}
