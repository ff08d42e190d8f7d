import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { Command, Option } from "commander";
import { connect, explainAt, noApiKey, type ServerDefaults } from "./connection.ts";
import { jsonLine } from "./json-line.ts";
import { progress } from "./progress.ts";
import { serverUrl } from "./server-url.ts";
import { findOrCreateAgent, findOrCreateEnvironment, playTurn } from "./session.ts";
import { eventTree } from "./tree.ts";

interface RunOptions {
  url: string;
  apiKey?: string;
  model: string;
  system?: string;
  agent?: string;
  environment?: string;
  session?: string;
  json?: boolean;
}

/** Each is asked for only where its option is left out. */
export interface RunDefaults extends ServerDefaults {
  model(): string;
}

export function runCommand(defaults: RunDefaults): Command {
  return new Command("run")
    .description("Give an agent a task and watch it work")
    .argument("<task>", "what to do")
    .option(
      "--url <url>",
      "the server's address (default: DROVER_URL, or the server on this machine)",
      serverUrl,
    )
    .option("--api-key <key>", "its API key (default: DROVER_API_KEY, or the key that the server here made)")
    .option("--model <id>", "the model of a new agent (default: DROVER_MODEL, or simulated)")
    .option("--system <text>", "the system prompt of a new agent")
    .addOption(new Option("--agent <id>", "use this agent").conflicts(["model", "system"]))
    .option("--environment <id>", "use this environment")
    .addOption(
      new Option("--session <id>", "go on in this session").conflicts([
        "agent",
        "environment",
        "model",
        "system",
      ]),
    )
    .option("--json", "print each event as a line of JSON")
    .action(async (task: string, given: Partial<RunOptions>) => {
      process.exitCode = await run(task, {
        ...given,
        url: given.url ?? defaults.url(),
        apiKey: given.apiKey ?? defaults.apiKey(),
        model: given.model ?? defaults.model(),
      });
    });
}

async function run(task: string, options: RunOptions): Promise<number> {
  if (!options.apiKey) {
    process.stderr.write(noApiKey);
    return 2;
  }
  const client = connect(options.url, options.apiKey);
  const waiting = progress(process.stderr);
  const tree = eventTree(process.stdout);
  const show = (event: StreamEvent) => {
    waiting.clear();
    if (options.json) process.stdout.write(`${jsonLine(event)}\n`);
    else tree.show(event);
    waiting.after(event);
  };
  try {
    const session = options.session ?? (await newSession(client, options));
    if (!options.json) process.stdout.write(`session ${session}\n`);
    const stop = interruptible(client, session);
    try {
      const last = await playTurn(client, session, task, show, {
        signal: stop.signal,
        reconnecting: () => process.stderr.write("the connection broke; trying again\n"),
      });
      return last?.type === "session.status_idle" && last.stop_reason.type === "end_turn" ? 0 : 1;
    } finally {
      stop.end();
    }
  } catch (error) {
    waiting.clear();
    process.stderr.write(`${explainAt(options.url, error)}\n`);
    return 1;
  } finally {
    waiting.clear();
  }
}

async function newSession(client: Anthropic, options: RunOptions): Promise<string> {
  const agent =
    options.agent ??
    (await findOrCreateAgent(client, {
      name: "drover run",
      model: options.model,
      system: options.system ?? null,
    }));
  const environment_id = options.environment ?? (await findOrCreateEnvironment(client, "drover run"));
  const session = await client.beta.sessions.create({ agent, environment_id });
  return session.id;
}

/** The first Ctrl-C interrupts the agent, the second one leaves. */
function interruptible(client: Anthropic, session: string): { signal: AbortSignal; end(): void } {
  const leave = new AbortController();
  let interrupted = false;
  const onInterrupt = () => {
    if (interrupted) {
      leave.abort();
      process.exit(130);
    }
    interrupted = true;
    process.stderr.write("interrupting the agent; press Ctrl-C again to leave it as it is\n");
    client.beta.sessions.events.send(session, { events: [{ type: "user.interrupt" }] }).catch((error) => {
      process.stderr.write(`${explainAt(client.baseURL, error)}\n`);
      process.exit(1);
    });
  };
  process.on("SIGINT", onInterrupt);
  return { signal: leave.signal, end: () => process.off("SIGINT", onInterrupt) };
}
