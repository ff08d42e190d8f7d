import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { Command, Option } from "commander";
import { exits } from "../exits.ts";
import { jsonText, painter, visibleLine } from "../terminal.ts";
import { asking, repeated, withJson, withServer } from "./at-server.ts";
import { budgetOf } from "./budget.ts";
import { exitOf, explainAt } from "./connection.ts";
import { newSession, requireFiles, type SessionWanted, uploaded } from "./new-session.ts";
import { once } from "./once.ts";
import { outputsOf, pathIn, tellOfOutputs } from "./outputs.ts";
import { progress } from "./progress.ts";
import { placeBeneath, saveFile } from "./saving.ts";
import { exitAfter, playTurn } from "./session.ts";
import { sessionId } from "./sessions.ts";
import { bytes } from "./table.ts";
import { eventTree } from "./tree.ts";

interface RunOptions extends SessionWanted {
  session?: string;
  outputs?: string;
  json?: boolean;
}

/** The options by which a session is made, or one is gone on with. */
export const withSession = (command: Command): Command =>
  command
    .option("--environment <environment>", "use this environment, by its id or name")
    .option(
      "--vault <vault>",
      "a vault whose credentials the session may use, by its id or name; again for more",
      repeated,
    )
    .option(
      "--file <path>",
      "a file of this machine that the session has at /mnt/session/uploads; again for more",
      repeated,
    )
    .option("--title <text>", "what the session is called")
    .option("--budget <dollars>", "the most that the session may cost, at list prices: 2.50", budgetOf)
    .addOption(
      new Option("--session <id>", "go on in this session").conflicts([
        "agent",
        "environment",
        "model",
        "system",
        "vault",
        "title",
        "budget",
      ]),
    );

export function runCommand(): Command {
  const command = new Command("run")
    .description("Give an agent a task, watch it work, and hear of the files that it has made")
    .argument("<task>", "what to do")
    .option("--model <id>", "the model of a new agent (default: DROVER_MODEL, or simulated)")
    .option("--system <text>", "the system prompt of a new agent")
    .addOption(
      new Option("--agent <agent>", "use this agent, by its id or name").conflicts(["model", "system"]),
    )
    .option("--outputs <folder>", "save the files that it has made there");
  return withJson(
    withServer(withSession(command)),
    "print each event, and then each file, as a line of JSON",
  ).action(asking(run));
}

async function run(client: Anthropic, task: string, options: RunOptions): Promise<void> {
  const session = await sessionOf(client, options);
  const before = options.session === undefined ? [] : await outputsOf(client, session);
  const waiting = progress(process.stderr);
  const tree = eventTree(process.stdout);
  let worked = false;
  const show = (event: StreamEvent) => {
    waiting.clear();
    if (options.json) process.stdout.write(`${jsonText(event)}\n`);
    else tree.show(event);
    if (event.type === "agent.tool_use") worked = true;
    waiting.after(event);
  };
  if (!options.json) process.stdout.write(`session ${visibleLine(session)}\n`);
  const stop = interruptible(client, session);
  try {
    const last = await playTurn(client, session, task, show, {
      signal: stop.signal,
      reconnecting: () => process.stderr.write("the connection broke; trying again\n"),
    });
    waiting.clear();
    process.exitCode = stop.interrupted() ? exits.interrupted : exitAfter(last);
    if (worked) await tellOf(client, session, new Set(before.map(({ id }) => id)), options);
  } finally {
    waiting.clear();
    stop.end();
  }
}

async function sessionOf(client: Anthropic, options: RunOptions): Promise<string> {
  const { session, file = [] } = options;
  if (session === undefined) return newSession(client, options);
  requireFiles(file);
  const { id } = await client.beta.sessions.retrieve(await sessionId(client, session));
  for (const resource of await uploaded(client, file))
    await client.beta.sessions.resources.add(id, resource, once());
  return id;
}

async function tellOf(
  client: Anthropic,
  session: string,
  before: ReadonlySet<string>,
  { json, outputs }: RunOptions,
): Promise<void> {
  const paint = painter(process.stdout);
  await tellOfOutputs(client, session, before, async (file) => {
    if (json) process.stdout.write(`${jsonText(file)}\n`);
    else
      process.stdout.write(
        `${paint("green", "file")} ${visibleLine(pathIn(file))}  ${bytes(file.size_bytes)}  ${paint("dim", visibleLine(file.id))}\n`,
      );
    if (outputs === undefined) return;
    try {
      await saveFile(client, file.id, placeBeneath(outputs, pathIn(file)));
    } catch (error) {
      process.stderr.write(`${explainAt(client.baseURL, error)}\n`);
      process.exitCode = exits.failed;
    }
  });
}

/** The first Ctrl-C interrupts the agent, the second one leaves. */
function interruptible(
  client: Anthropic,
  session: string,
): { signal: AbortSignal; interrupted(): boolean; end(): void } {
  const leave = new AbortController();
  let interrupted = false;
  const onInterrupt = () => {
    if (interrupted) {
      leave.abort();
      process.exit(exits.interrupted);
    }
    interrupted = true;
    process.stderr.write("interrupting the agent; press Ctrl-C again to leave it as it is\n");
    client.beta.sessions.events
      .send(session, { events: [{ type: "user.interrupt" }] }, once())
      .catch((error) => {
        process.stderr.write(`${explainAt(client.baseURL, error)}\n`);
        process.exit(exitOf(error));
      });
  };
  process.on("SIGINT", onInterrupt);
  return {
    signal: leave.signal,
    interrupted: () => interrupted,
    end: () => process.off("SIGINT", onInterrupt),
  };
}
