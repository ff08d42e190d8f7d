import type Anthropic from "@anthropic-ai/sdk";
import type { BetaEnvironment } from "@anthropic-ai/sdk/resources/beta/environments/environments";
import { Command } from "commander";
import type { CreatedEnvironmentKey, EnvironmentKey } from "../../protocol/environment-keys.ts";
import type { Page } from "../../protocol/page.ts";
import type { Work } from "../../protocol/work.ts";
import { type Form, printDrawn, printLine } from "../print.ts";
import type { ApplyOptions } from "./apply.ts";
import { asking, withJson, withServer } from "./at-server.ts";
import { type ListOptions, pageSize, pagesOf, printList, watchList, withList } from "./listed.ts";
import { idOf } from "./named.ts";
import { once } from "./once.ts";
import { askOwn } from "./own-routes.ts";
import { ago, type Cell, record, when } from "./table.ts";

export function environmentsCommand(): Command {
  const environments = new Command("environments")
    .alias("envs")
    .description("Work with environments, in which sessions run");

  withList(environments.command("list").alias("ls").description("List the environments, newest first"))
    .option("--archived", "those that are archived too")
    .action(
      asking((client, options: ListOptions & { archived?: boolean }) =>
        printList(
          client.beta.environments.list({
            limit: pageSize(options),
            include_archived: options.archived === true,
          }),
          options,
          {
            head: ["id", "name", "type", "changed"],
            row: ({ id, name, config, updated_at }) => [id, name, config.type, ago(updated_at)],
            none: "there is no environment: drover environments create makes one",
          },
        ),
      ),
    );

  withJson(withServer(environments.command("show").description("Show an environment")))
    .argument("<environment>", "its id or name")
    .action(
      asking(async (client, named: string, form: Form) => {
        const environment = await client.beta.environments.retrieve(await environmentId(client, named));
        printDrawn(form, environment, shown);
      }),
    );

  withJson(withServer(environments.command("create").description("Make an environment, and print its id")))
    .argument("<name>", "what it is called")
    .option("--self-hosted", "its tools run with workers of your own: drover worker")
    .action(
      asking(async (client, name: string, options: { selfHosted?: boolean } & Form) => {
        const made = await client.beta.environments.create(
          {
            name,
            ...(options.selfHosted && { config: { type: "self_hosted" as const } }),
          },
          once(),
        );
        printLine(options, made, made.id);
      }),
    );

  withJson(
    withServer(
      environments
        .command("apply")
        .description(
          "Make the environment that a file describes, or change the one of its name into it, and show what changes",
        ),
    ),
    "print each as a line of JSON",
  )
    .requiredOption(
      "-f, --filename <file>",
      "YAML or JSON, as the API has an environment; - is standard input",
    )
    .option("--dry-run", "show what would change and what would be refused, and change nothing")
    .addHelpText(
      "after",
      `
A file of an environment:

  name: cellar
  config:
    type: cloud
    networking: {type: limited, allowed_hosts: [example.com], allow_package_managers: true}
    packages: {pip: [rich]}`,
    )
    .action(
      asking(async (client, options: ApplyOptions) => {
        const [{ apply }, { environmentKind }] = await Promise.all([
          import("./apply.ts"),
          import("./applied-kinds.ts"),
        ]);
        await apply(environmentKind(client), options);
      }),
    );

  withList(
    environments
      .command("work")
      .description(
        "List the work of a self-hosted environment, newest first: which sessions, and who has them",
      ),
  )
    .argument("<environment>", "its id or name")
    .option("--watch", "show it as it changes, until Ctrl-C")
    .action(
      asking(async (client, named: string, options: ListOptions & { watch?: boolean }) => {
        const path = `/v1/environments/${encodeURIComponent(await environmentId(client, named))}/work_items`;
        const limit = pageSize(options);
        const all = () =>
          pagesOf((query) =>
            askOwn(client, "/v1/environments/{environment_id}/work_items", () =>
              client.get<Page<Work>>(path, { query: { limit, ...query } }),
            ),
          );
        const columns = {
          head: ["id", "state", "session", "worker", "seen", "made"],
          row: workRow,
          none: "it has no work: sessions make it",
        };
        if (options.watch) await watchList(all, options, columns);
        else await printList(all(), options, columns);
      }),
    );

  withJson(withServer(environments.command("archive").description("Take no new session in an environment")))
    .argument("<environment>", "its id or name")
    .action(
      asking(async (client, named: string, form: Form) => {
        const environment = await client.beta.environments.archive(await environmentId(client, named));
        printLine(form, environment, `${environment.id} is archived`);
      }),
    );

  return environments.addCommand(keysCommand());
}

/** By its id or its name. */
export const environmentId = (client: Anthropic, named: string): Promise<string> =>
  idOf("environment", named, "env", () => client.beta.environments.list({ limit: 100 }));

const workRow = ({ id, state, data, worker_id, worker_seen_at, created_at }: Work): Cell[] => [
  id,
  state === "queued"
    ? { text: state, style: "yellow" }
    : state === "active"
      ? { text: state, style: "green" }
      : state,
  data.id,
  worker_id ?? "",
  worker_seen_at === null ? "never" : ago(worker_seen_at),
  ago(created_at),
];

const shown = ({ id, name, description, config, archived_at, created_at, updated_at }: BetaEnvironment) =>
  record(
    [
      ["id", id],
      ["name", name],
      ["description", description],
      ["config", JSON.stringify(config)],
      ["created", when(created_at)],
      ["changed", when(updated_at)],
      ["archived", archived_at && when(archived_at)],
    ],
    process.stdout,
  );

function keysCommand(): Command {
  const keys = new Command("keys").description(
    "The keys with which workers of a self-hosted environment ask for its work",
  );

  withJson(withServer(keys.command("create").description("Make a key, and print it: it is not shown again")))
    .argument("<environment>", "its id or name")
    .option("--name <name>", "what it is for")
    .action(
      asking(async (client, named: string, { name, ...form }: { name?: string } & Form) => {
        const environment = await environmentId(client, named);
        const body = name === undefined ? {} : { name };
        const made = await askOwn(client, keysRoute, () =>
          client.post<CreatedEnvironmentKey>(pathOf(environment), { body }),
        );
        process.stderr.write(`key ${made.id} of ${environment}; keep it, it is not shown again\n`);
        printLine(form, made, made.key);
      }),
    );

  withList(keys.command("list").alias("ls").description("List the keys that are in force"))
    .argument("<environment>", "its id or name")
    .action(
      asking(async (client, named: string, options: ListOptions) => {
        const path = pathOf(await environmentId(client, named));
        return printList(
          pagesOf((query) =>
            askOwn(client, keysRoute, () => client.get<Page<EnvironmentKey>>(path, { query })),
          ),
          options,
          {
            head: ["id", "name", "made", "used"],
            row: ({ id, name, created_at, last_used_at }) => [
              id,
              name ?? "",
              ago(created_at),
              last_used_at === null ? "never" : ago(last_used_at),
            ],
            none: "no key is in force: drover environments keys create makes one",
          },
        );
      }),
    );

  withJson(
    withServer(
      keys.command("revoke").description("Refuse a key from now on, and all that was given out for it"),
    ),
  )
    .argument("<environment>", "its id or name")
    .argument("<key>", "the key's id, as list shows it")
    .action(
      asking(async (client, named: string, id: string, form: Form) => {
        const path = `${pathOf(await environmentId(client, named))}/${encodeURIComponent(id)}`;
        const gone = await askOwn(client, `${keysRoute}/{key_id}`, () => client.delete<unknown>(path));
        printLine(form, gone, `${id} is revoked`);
      }),
    );
  return keys;
}

const keysRoute = "/v1/environments/{environment_id}/keys";
const pathOf = (environment: string) => `/v1/environments/${encodeURIComponent(environment)}/keys`;
