import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsAgent as Agent } from "@anthropic-ai/sdk/resources/beta/agents/agents";
import { Command } from "commander";
import { type Form, printDrawn, printLine } from "../print.ts";
import type { ApplyOptions } from "./apply.ts";
import { asking, withJson, withServer } from "./at-server.ts";
import { howMany, type ListOptions, pageSize, printList, withList } from "./listed.ts";
import { idOf } from "./named.ts";
import { ago, record, when } from "./table.ts";

export function agentsCommand(): Command {
  const agents = new Command("agents").description(
    "Work with agents: a model with its prompt, tools and skills",
  );

  withList(agents.command("list").alias("ls").description("List the agents, newest first"))
    .option("--archived", "those that are archived too")
    .action(
      asking((client, options: ListOptions & { archived?: boolean }) =>
        printList(
          client.beta.agents.list({
            limit: pageSize(options),
            include_archived: options.archived === true,
          }),
          options,
          {
            head: ["id", "name", "model", "version", "changed"],
            row: ({ id, name, model, version, updated_at }) => [
              id,
              name,
              model.id,
              String(version),
              ago(updated_at),
            ],
            none: "there is no agent: drover agents apply -f agent.yaml makes one",
          },
        ),
      ),
    );

  withJson(withServer(agents.command("show").description("Show an agent")))
    .argument("<agent>", "its id or name")
    .option("--version <n>", "as it was in this version", howMany)
    .action(
      asking(async (client, named: string, { version, ...form }: { version?: number } & Form) => {
        const id = await agentId(client, named);
        const agent = await client.beta.agents.retrieve(id, version === undefined ? {} : { version });
        printDrawn(form, agent, shown);
      }),
    );

  withJson(
    withServer(
      agents
        .command("apply")
        .description(
          "Make the agent that a file describes, or change the one of its name into it, and show what changes",
        ),
    ),
    "print each as a line of JSON",
  )
    .requiredOption("-f, --filename <file>", "YAML or JSON, as the API has an agent; - is standard input")
    .option("--dry-run", "show what would change and what would be refused, and change nothing")
    .addHelpText(
      "after",
      `
A file of an agent:

  name: clerk
  model: claude-opus-5-5
  system: Be brief.
  tools:
    - type: agent_toolset_20260401`,
    )
    .action(
      asking(async (client, options: ApplyOptions) => {
        const [{ apply }, { agentKind }] = await Promise.all([
          import("./apply.ts"),
          import("./applied-kinds.ts"),
        ]);
        await apply(agentKind(client), options);
      }),
    );

  withJson(withServer(agents.command("archive").description("Make no new session of an agent")))
    .argument("<agent>", "its id or name")
    .action(
      asking(async (client, named: string, form: Form) => {
        const agent = await client.beta.agents.archive(await agentId(client, named));
        printLine(form, agent, `${agent.id} is archived`);
      }),
    );
  return agents;
}

/** By its id or its name. */
export const agentId = (client: Anthropic, named: string): Promise<string> =>
  idOf("agent", named, "agent", () => client.beta.agents.list({ limit: 100 }));

const shown = (agent: Agent) =>
  record(
    [
      ["id", agent.id],
      ["name", agent.name],
      ["version", String(agent.version)],
      ["model", agent.model.id],
      ["description", agent.description],
      ["system", agent.system],
      ["tools", agent.tools.map((tool) => ("name" in tool ? tool.name : tool.type)).join(", ")],
      ["MCP servers", agent.mcp_servers.map(({ name, url }) => `${name} (${url})`).join(", ")],
      ["skills", agent.skills.map(({ skill_id }) => skill_id).join(", ")],
      ["created", when(agent.created_at)],
      ["changed", when(agent.updated_at)],
      ["archived", agent.archived_at && when(agent.archived_at)],
    ],
    process.stdout,
  );
