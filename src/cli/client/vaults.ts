import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsCredential as Credential } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import type { BetaManagedAgentsVault as Vault } from "@anthropic-ai/sdk/resources/beta/vaults/vaults";
import { Command, InvalidArgumentError, Option } from "commander";
import { limits } from "../../limits.ts";
import { isScope } from "../../tools/mcp/challenge.ts";
import { type Form, printDrawn, printLine } from "../print.ts";
import { serverUrl } from "../server-url.ts";
import { asking, repeated, withJson, withServer } from "./at-server.ts";
import type { AuthorizeOptions } from "./authorize.ts";
import { type ListOptions, pageSize, printList, withList } from "./listed.ts";
import { idOf } from "./named.ts";
import { once } from "./once.ts";
import { refuseSecrets } from "./secret.ts";
import type { At } from "./server.ts";
import { ago, type Cell, record, table, when } from "./table.ts";
import type { SetOptions } from "./vaults-set.ts";

export function vaultsCommand(): Command {
  const vaults = new Command("vaults").description(
    "Work with vaults, which hold the credentials of sessions",
  );

  withList(vaults.command("list").alias("ls").description("List the vaults, newest first"))
    .option("--archived", "those that are archived too")
    .action(
      asking((client, options: ListOptions & { archived?: boolean }) =>
        printList(
          client.beta.vaults.list({
            limit: pageSize(options),
            include_archived: options.archived === true,
          }),
          options,
          {
            head: ["id", "name", "changed"],
            row: ({ id, display_name, updated_at }) => [id, display_name, ago(updated_at)],
            none: "there is no vault: drover vaults create makes one",
          },
        ),
      ),
    );

  withJson(withServer(vaults.command("show").description("Show a vault and its credentials, never a secret")))
    .argument("<vault>", "its id or name")
    .action(
      asking(async (client, named: string, form: Form) => {
        const id = await vaultId(client, named);
        const vault = await client.beta.vaults.retrieve(id);
        const credentials = await Array.fromAsync(client.beta.vaults.credentials.list(id));
        printDrawn(form, { ...vault, credentials }, shown);
      }),
    );

  withJson(withServer(vaults.command("create").description("Make a vault, and print its id")))
    .argument("<name>", "what it is called")
    .action(
      asking(async (client, display_name: string, form: Form) => {
        const vault = await client.beta.vaults.create({ display_name }, once());
        printLine(form, vault, vault.id);
      }),
    );

  withJson(
    withServer(
      vaults
        .command("set")
        .description(
          "Put a secret into a vault, in place of the one for the same thing. It is asked for, or read from standard input",
        )
        .allowExcessArguments()
        .hook("preAction", refuseSecrets),
    ),
  )
    .argument("<vault>", "its id or name")
    .argument(
      "<what>",
      "the variable that sandboxes have it in, or the address of the MCP server that it is a token for",
    )
    .addOption(
      new Option("--host <host>", "a host that the variable's secret may be sent to; again for more")
        .argParser(repeated)
        .conflicts("anyHost"),
    )
    .option("--any-host", "it may be sent to any host")
    .option("--name <name>", "what the credential is called")
    .addHelpText(
      "after",
      "\n  printenv STRIPE_KEY | drover vaults set Alice STRIPE_KEY --host api.stripe.com\n  drover vaults set Alice https://mcp.example.com/mcp",
    )
    .action(
      asking(async (client, named: string, what: string, options: SetOptions & Form) => {
        const { setSecret } = await import("./vaults-set.ts");
        const vault = await vaultId(client, named);
        const { credential, is_new } = await setSecret(client, vault, what, options);
        printLine(options, credential, `${credential.id} ${is_new ? "is in" : "is changed in"} ${vault}`);
      }),
    );

  withList(
    vaults
      .command("uses")
      .description("List where a credential was used: by which sessions, toward which hosts, and how often"),
  )
    .argument("<vault>", "its id or name")
    .argument("<credential>", "the credential's id, as show has it")
    .action(
      asking(async (client, named: string, credential: string, options: ListOptions) => {
        const { printUses } = await import("./vault-uses.ts");
        await printUses(client, await vaultId(client, named), credential, options);
      }),
    );

  withJson(
    withServer(
      vaults
        .command("archive")
        .description("Destroy the secrets of a vault, or of one credential, and keep the record"),
    ),
  )
    .argument("<vault>", "its id or name")
    .argument("[credential]", "the credential's id, as show has it")
    .action(
      asking(async (client, named: string, credential: string | undefined, form: Form) => {
        const vault_id = await vaultId(client, named);
        const archived =
          credential === undefined
            ? await client.beta.vaults.archive(vault_id)
            : await client.beta.vaults.credentials.archive(credential, { vault_id });
        printLine(form, archived, `${archived.id} is archived`);
      }),
    );

  withJson(
    withServer(
      vaults
        .command("authorize")
        .description(
          "Have an MCP server authorized in the browser, and put the credential into a vault. It replaces the one that is there",
        ),
    ),
    "print the credential as JSON",
  )
    .argument("<mcp-url>", "the MCP server's address, as agents have it", serverUrl)
    .option("--vault <vault>", "where to (default: the one that there is, or a new one)")
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
    .action(
      asking(async (client, server: string, { vault, ...options }: At & AuthorizeOptions) => {
        const { authorizeCommand } = await import("./authorize.ts");
        const id = vault === undefined ? {} : { vault: await vaultId(client, vault) };
        process.exitCode = await authorizeCommand(client, server, { ...options, ...id });
      }),
    );
  return vaults;
}

/** By its id or its name. */
export const vaultId = (client: Anthropic, named: string): Promise<string> =>
  idOf("vault", named, "vlt", async function* () {
    for await (const { id, display_name } of client.beta.vaults.list({ limit: 100 }))
      yield { id, name: display_name };
  });

function shown({
  id,
  display_name,
  archived_at,
  created_at,
  credentials,
}: Vault & { credentials: Credential[] }): string {
  const about = record(
    [
      ["id", id],
      ["name", display_name],
      ["created", when(created_at)],
      ["archived", archived_at && when(archived_at)],
    ],
    process.stdout,
  );
  if (credentials.length === 0) return `${about}\nit holds no credential: drover vaults set puts one in\n`;
  return `${about}\n${table(["id", "type", "for", "may go to", "expires", "name"], credentials.map(rowOf), process.stdout)}`;
}

function rowOf({ id, auth, display_name }: Credential): Cell[] {
  const name = display_name ?? "";
  if (auth.type === "environment_variable") {
    const to = auth.networking.type === "limited" ? auth.networking.allowed_hosts.join(", ") : "any host";
    return [id, auth.type, auth.secret_name, to, "", name];
  }
  const { host, href } = new URL(auth.mcp_server_url);
  if (auth.type === "static_bearer") return [id, auth.type, href, host, "", name];
  const expires = auth.expires_at ? ago(auth.expires_at) : "";
  return [
    id,
    auth.type,
    href,
    host,
    auth.refresh ? `${expires}, refreshed`.replace(/^, /, "") : expires,
    name,
  ];
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
