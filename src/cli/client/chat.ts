import type Anthropic from "@anthropic-ai/sdk";
import { Command, Option } from "commander";
import { asking, withServer } from "./at-server.ts";
import { newSession, requireFiles, type SessionWanted, uploaded } from "./new-session.ts";
import { once } from "./once.ts";
import { withSession } from "./run.ts";
import { sessionId } from "./sessions.ts";

interface ChatOptions extends SessionWanted {
  session?: string;
}

export function chatCommand(): Command {
  const command = new Command("chat")
    .description("Talk with an agent: its words as they come, its calls folded, approvals by a key")
    .argument("[agent]", "the agent, by its id or name (default: one of the command's own)")
    .addOption(new Option("--model <id>", "the model of a new agent (default: DROVER_MODEL, or simulated)"));
  return withServer(withSession(command))
    .addHelpText(
      "after",
      "\nCtrl-C interrupts the agent, and a second one leaves. Ctrl-D leaves too. /help in the conversation says what else there is.\nWithout a terminal each line of standard input is a message.",
    )
    .action(
      asking(async (client: Anthropic, agent: string | undefined, options: ChatOptions) => {
        const { converse } = await import("./conversation.ts");
        const session = await sessionOf(client, agent, options);
        process.exitCode = await converse(client, session, { resumed: options.session !== undefined });
      }),
    );
}

async function sessionOf(
  client: Anthropic,
  agent: string | undefined,
  options: ChatOptions,
): Promise<string> {
  const { session, file = [] } = options;
  if (session === undefined) return newSession(client, { ...options, agent });
  requireFiles(file);
  const { id } = await client.beta.sessions.retrieve(await sessionId(client, session));
  for (const resource of await uploaded(client, file))
    await client.beta.sessions.resources.add(id, resource, once());
  return id;
}
