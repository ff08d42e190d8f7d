import type Anthropic from "@anthropic-ai/sdk";
import { Command } from "commander";
import type { CreatedEnvironmentKey, EnvironmentKey } from "../protocol/environment-keys.ts";
import type { Page } from "../protocol/page.ts";
import { type At, askServer, withServer } from "./at-server.ts";
import type { ServerDefaults } from "./connection.ts";
import { jsonLine } from "./json-line.ts";

export function environmentsCommand(defaults: ServerDefaults): Command {
  const keys = new Command("keys").description(
    "The keys with which workers of a self-hosted environment ask for its work",
  );
  const command = (name: string, description: string) =>
    withServer(keys.command(name).description(description).argument("<environment>", "the environment's id"));

  command("create", "Make a key, and print it: it is not shown again")
    .option("--name <name>", "what it is for")
    .action((environment: string, { name, ...at }: At & { name?: string }) =>
      askServer(at, defaults, async (client) => {
        const body = name === undefined ? {} : { name };
        const made = await client.post<CreatedEnvironmentKey>(pathOf(environment), { body });
        process.stderr.write(`key ${made.id} of ${environment}; keep it, it is not shown again\n`);
        process.stdout.write(`${made.key}\n`);
      }),
    );

  command("list", "List the keys that are in force").action((environment: string, at: At) =>
    askServer(at, defaults, async (client) => {
      for await (const key of keysOf(client, environment)) process.stdout.write(lineOf(key));
    }),
  );

  command("revoke", "Refuse a key from now on, and all that was given out for it")
    .argument("<key>", "the key's id, as list shows it")
    .action((environment: string, id: string, at: At) =>
      askServer(at, defaults, async (client) => {
        await client.delete(`${pathOf(environment)}/${encodeURIComponent(id)}`);
        process.stdout.write(`${id} is revoked\n`);
      }),
    );

  return new Command("environments").alias("envs").description("Work with environments").addCommand(keys);
}

const pathOf = (environment: string) => `/v1/environments/${encodeURIComponent(environment)}/keys`;

async function* keysOf(client: Anthropic, environment: string): AsyncGenerator<EnvironmentKey> {
  let query: { page?: string } = {};
  for (;;) {
    const { data, next_page } = await client.get<Page<EnvironmentKey>>(pathOf(environment), { query });
    yield* data;
    if (next_page === null) return;
    query = { page: next_page };
  }
}

function lineOf({ id, name, created_at, last_used_at }: EnvironmentKey): string {
  // A name can hold what a terminal obeys.
  const shown = name === null ? "" : `  ${jsonLine(name)}`;
  return `${id}  made ${created_at}  ${last_used_at === null ? "never used" : `used ${last_used_at}`}${shown}\n`;
}
