import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsCredential as Credential } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { Command, InvalidArgumentError, Option } from "commander";
import { limits } from "../limits.ts";
import { isScope } from "../tools/mcp/challenge.ts";
import { type At, askServer, withServer } from "./at-server.ts";
import type { AuthorizeOptions } from "./authorize.ts";
import type { ServerDefaults } from "./connection.ts";
import { jsonLine } from "./json-line.ts";
import { serverUrl } from "./server-url.ts";

export function vaultsCommand(defaults: ServerDefaults): Command {
  const vaults = new Command("vaults").description(
    "Work with vaults, which hold the credentials of sessions",
  );
  const command = (name: string, description: string) =>
    withServer(vaults.command(name).description(description));

  command("list", "List the vaults and what is in them").action((at: At) =>
    askServer(at, defaults, async (client) => {
      for await (const { id, display_name } of client.beta.vaults.list({ limit: 100 })) {
        process.stdout.write(`${id}  ${jsonLine(display_name)}\n`);
        for await (const credential of client.beta.vaults.credentials.list(id))
          process.stdout.write(lineOf(credential));
      }
    }),
  );

  command("create", "Make a vault, and print its id")
    .argument("<name>", "what it is called")
    .action((display_name: string, at: At) =>
      askServer(at, defaults, async (client: Anthropic) => {
        process.stdout.write(`${(await client.beta.vaults.create({ display_name })).id}\n`);
      }),
    );

  command(
    "authorize",
    "Have an MCP server authorized in the browser, and put the credential into a vault. It replaces the one that is there",
  )
    .argument("<mcp-url>", "the MCP server's address, as agents have it", serverUrl)
    .option("--vault <id>", "where to (default: the one that there is, or a new one)")
    .option("--name <name>", "what the credential is called", displayName)
    .option("--scope <scopes>", "what to ask for, in place of what the server asks for", scopes)
    .option(
      "--client-id <id>",
      "a client that is registered already, or the https URL of its metadata document",
    )
    .option("--client-secret-env <name>", "the environment variable that holds the client's secret")
    .option(
      "--issuer <url>",
      "the authorization server, if it may be no other one: a secret goes to nobody else",
      serverUrl,
    )
    .addOption(
      new Option(
        "--private-key <file>",
        "the client's key (PKCS 8, PEM): it is authorized itself, and nobody is asked",
      ).conflicts("clientSecretEnv"),
    )
    .addOption(
      new Option("--algorithm <name>", "how the key signs")
        .choices(["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
        .default("ES256"),
    )
    .option("--client-credentials", "the client is authorized itself by its secret, and nobody is asked")
    .option(
      "--id-token-env <name>",
      "the environment variable that holds a person's ID token: their identity provider vouches, and nobody is asked",
    )
    .option("--identity-provider <url>", "the token endpoint of who has given the ID token", serverUrl)
    .option("--identity-client-id <id>", "the client that it was given to")
    .option("--no-browser", "print the address to open, and open nothing")
    .option("--port <port>", "where the browser comes back to on this machine (default: any)", port)
    .option("--wait <seconds>", "how long to wait for the browser", seconds, limits.authorize_wait_ms / 1_000)
    .addHelpText(
      "after",
      "\nAll of it is done from this machine: it speaks with the MCP server and its authorization server, and gives the outcome to\nDrover. A browser elsewhere needs the port here: ssh -L 8976:127.0.0.1:8976 <this machine>, and --port 8976.",
    )
    .action((server: string, { url, apiKey, ...options }: At & AuthorizeOptions) =>
      askServer({ ...(url && { url }), ...(apiKey && { apiKey }) }, defaults, async (client) => {
        const { authorizeCommand } = await import("./authorize.ts");
        process.exitCode = await authorizeCommand(client, server, options);
      }),
    );
  return vaults;
}

function lineOf({ id, auth, display_name }: Credential): string {
  const what = auth.type === "environment_variable" ? auth.secret_name : URL.parse(auth.mcp_server_url)?.href;
  // A name can hold what a terminal obeys.
  const name = display_name ? `  ${jsonLine(display_name)}` : "";
  const until = auth.type === "mcp_oauth" && auth.expires_at ? `  expires ${auth.expires_at}` : "";
  const refreshed = auth.type === "mcp_oauth" && auth.refresh ? ", refreshed" : "";
  return `  ${id}  ${auth.type}${refreshed}  ${what}${until}${name}\n`;
}

function displayName(text: string): string {
  if (text.length >= 1 && text.length <= 255) return text;
  throw new InvalidArgumentError("It must be 1 to 255 characters.");
}

function scopes(text: string): string {
  if (isScope(text)) return text;
  throw new InvalidArgumentError("It must be one or more scopes, with a space between two.");
}

function port(text: string): number {
  const n = Number(text);
  if (Number.isInteger(n) && n >= 1 && n <= 65_535) return n;
  throw new InvalidArgumentError("It must be a port from 1 to 65535.");
}

function seconds(text: string): number {
  const most = limits.authorize_wait_ms_max / 1_000;
  const n = Number(text);
  if (Number.isInteger(n) && n >= 1 && n <= most) return n;
  throw new InvalidArgumentError(`It must be a whole number of seconds from 1 to ${most}.`);
}
