import type Anthropic from "@anthropic-ai/sdk";
import type { Command } from "commander";
import { connect, explainAt, noApiKey, type ServerDefaults } from "./connection.ts";
import { serverUrl } from "./server-url.ts";

/** Which server a command asks. */
export interface At {
  url?: string;
  apiKey?: string;
}

/** The options that say so. */
export const withServer = (command: Command): Command =>
  command
    .option(
      "--url <url>",
      "the server's address (default: DROVER_URL, or the server on this machine)",
      serverUrl,
    )
    .option("--api-key <key>", "its API key (default: DROVER_API_KEY, or the key that the server here made)");

/** Asks it; what goes wrong is said in a line, and is the exit code. */
export async function askServer(
  at: At,
  defaults: ServerDefaults,
  run: (client: Anthropic) => Promise<void>,
): Promise<void> {
  const url = at.url ?? defaults.url();
  const apiKey = at.apiKey ?? defaults.apiKey();
  if (!apiKey) {
    process.stderr.write(noApiKey);
    process.exitCode = 2;
    return;
  }
  try {
    await run(connect(url, apiKey));
  } catch (error) {
    process.stderr.write(`${explainAt(url, error)}\n`);
    process.exitCode = 1;
  }
}
