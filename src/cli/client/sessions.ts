import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsSession as ListedSession,
  SessionListParams,
} from "@anthropic-ai/sdk/resources/beta/sessions/sessions";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Session } from "../../protocol/sessions.ts";
import { exits, Failure } from "../exits.ts";
import { type Form, printDrawn, printLine } from "../print.ts";
import { agentId } from "./agents.ts";
import { asking, repeated, withJson, withServer } from "./at-server.ts";
import { type ListOptions, pageSize, printList, watchItems, watchList, withList } from "./listed.ts";
import { once } from "./once.ts";
import { askOwn } from "./own-routes.ts";
import type { EventsOptions, TailOptions } from "./session-events.ts";
import { ago, type Cell, cellsLine, dollarsOf, record, when } from "./table.ts";

const statuses = ["rescheduling", "running", "idle", "terminated"] as const;

interface ListSessions extends ListOptions {
  agent?: string;
  status?: string[];
  archived?: boolean;
  watch?: boolean;
}

export function sessionsCommand(): Command {
  const sessions = new Command("sessions").description(
    "Work with sessions: agents at work. Where one is to be named, `last` is the newest",
  );
  const command = (name: string, description: string) =>
    withJson(withServer(sessions.command(name).description(description))).argument(
      "<session>",
      "its id, or last",
    );

  withList(sessions.command("list").alias("ls").description("List the sessions, newest first"))
    .option("--agent <agent>", "those of this agent, by its id or name")
    .addOption(
      new Option("--status <status>", "those that are so; again for more")
        .choices(statuses)
        .argParser(oneOf(statuses)),
    )
    .option("--archived", "those that are archived too")
    .option("--watch", "show them as they change, until Ctrl-C")
    .action(asking(list));

  command("show", "Show a session: what it does, what it waits for, what it has used")
    .option("--watch", "show it as it changes, until Ctrl-C")
    .action(
      asking(async (client, named: string, options: Form & { watch?: boolean }) => {
        const id = await sessionId(client, named);
        const read = async () => ours(await client.beta.sessions.retrieve(id));
        if (options.watch)
          return watchItems(
            {
              read: async () => [await read()],
              draw: ([session]) => (session ? shown(session) : ""),
              line: (session) => cellsLine(row(session)),
            },
            options,
          );
        printDrawn(options, await read(), shown);
      }),
    );

  withJson(
    withServer(
      sessions
        .command("tail")
        .description("Show a session's newest events, and those that come, until Ctrl-C"),
    ),
    "print each event as a line of JSON",
  )
    .argument("<session>", "its id, or last")
    .option("-n, --events <n>", "how many of those that are there already", "20")
    .option("--until-idle", "end when the turn does, with its exit code")
    .action(
      asking(async (client, named: string, options: TailOptions) => {
        const { tail } = await import("./session-events.ts");
        process.exitCode = await tail(client, await sessionId(client, named), options);
      }),
    );

  withList(sessions.command("events").description("List a session's newest events, in their order"))
    .argument("<session>", "its id, or last")
    .option("--type <type>", "those of this type; again for more", repeated)
    .action(
      asking(async (client, named: string, options: EventsOptions) => {
        const { listEvents } = await import("./session-events.ts");
        await listEvents(client, await sessionId(client, named), options);
      }),
    );

  command("fork", "Make a session that goes on from any event of this one, and print its id")
    .option("--event <id>", "the last event that it has (default: the newest)")
    .option("--title <text>", "what it is called")
    .action(
      asking(
        async (
          client,
          named: string,
          { event, title, ...form }: { event?: string; title?: string } & Form,
        ) => {
          const body = {
            ...(event !== undefined && { event_id: event }),
            ...(title !== undefined && { title }),
          };
          const path = `/v1/sessions/${encodeURIComponent(await sessionId(client, named))}/fork`;
          const fork = await askOwn(client, "/v1/sessions/{session_id}/fork", () =>
            client.post<Session>(path, { body, ...once() }),
          );
          printLine(form, fork, fork.id);
        },
      ),
    );

  command("interrupt", "Have the agent stop what it does").action(
    asking(async (client, named: string, form: Form) => {
      const id = await sessionId(client, named);
      const sent = await client.beta.sessions.events.send(
        id,
        { events: [{ type: "user.interrupt" }] },
        once(),
      );
      printLine(form, sent.data, `${id} is interrupted`);
    }),
  );

  for (const result of ["allow", "deny"] as const) {
    const answer = command(result, `Answer calls that wait: ${result} them`).argument(
      "<call...>",
      "their ids, as show has them",
    );
    if (result === "deny") answer.option("--message <text>", "what the agent is told");
    answer.action(
      asking(
        async (client, named: string, calls: string[], { message, ...form }: { message?: string } & Form) => {
          const id = await sessionId(client, named);
          const events = calls.map((tool_use_id) => ({
            type: "user.tool_confirmation" as const,
            tool_use_id,
            result,
            ...(message !== undefined && { deny_message: message }),
          }));
          const sent = await client.beta.sessions.events.send(id, { events }, once());
          printLine(form, sent.data, `${calls.join(", ")}: ${result === "allow" ? "allowed" : "denied"}`);
        },
      ),
    );
  }

  command("budget", "Show what a session may cost, or set it")
    .argument("[dollars]", "the most at list prices, 2.50; or none. Only of a session that was made with one")
    .action(
      asking(async (client, named: string, wanted: string | undefined, form: Form) => {
        const { setBudget, budgetLine } = await import("./budget.ts");
        const session = await setBudget(client, await sessionId(client, named), wanted);
        printLine(form, session, budgetLine(session));
      }),
    );

  command("archive", "End a session; its history stays").action(
    asking(async (client, named: string, form: Form) => {
      const session = await client.beta.sessions.archive(await sessionId(client, named));
      printLine(form, session, `${session.id} is archived`);
    }),
  );

  command("delete", "Delete a session, its log and its files").action(
    asking(async (client, id: string, form: Form) => {
      // Not the newest, whichever that may be by now.
      if (id === "last") throw new Failure("delete takes a session's id", exits.usage);
      printLine(form, await client.beta.sessions.delete(id), `${id} is deleted`);
    }),
  );
  return sessions;
}

async function list(client: Anthropic, options: ListSessions): Promise<void> {
  const params: SessionListParams = {
    limit: pageSize(options),
    include_archived: options.archived === true,
    ...(options.agent !== undefined && { agent_id: await agentId(client, options.agent) }),
    ...(options.status && { statuses: options.status as (typeof statuses)[number][] }),
  };
  const head = ["id", "status", "agent", "title", "changed"];
  async function* all(): AsyncGenerator<Session> {
    for await (const session of client.beta.sessions.list(params)) yield ours(session);
  }
  const columns = { head, row, none: "there is no session: drover run or drover chat makes one" };
  if (options.watch) await watchList(all, options, columns);
  else await printList(all(), options, columns);
}

/** With the fields that the official API does not have; against another server they are not there. */
const ours = (session: ListedSession) => session as Session;

function statusOf({ status, archived_at, waiting_for }: Session): Cell {
  if (archived_at !== null) return { text: "archived", style: "dim" };
  if (status === "running") return { text: status, style: "green" };
  if (waiting_for && waiting_for.type !== "message")
    return { text: `${status}: ${waiting_for.type}`, style: "yellow" };
  return status;
}

const row = (session: Session): Cell[] => [
  session.id,
  statusOf(session),
  session.agent.name,
  session.title ?? "",
  ago(session.updated_at),
];

function shown(session: Session): string {
  const { agent, usage, waiting_for: waits, forked_from: from, stats } = session;
  const cost = usage.list_cost;
  const tokens = (usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
  return record(
    [
      ["id", session.id],
      ["title", session.title],
      ["status", statusOf(session)],
      ["waits", waits ? `for ${waits.type}, since ${when(waits.since)}` : null],
      ["to answer", waits ? waits.event_ids.join(", ") : null],
      ["agent", `${agent.name} (${agent.id}, version ${agent.version})`],
      ["model", agent.model.id],
      ["environment", session.environment_id],
      ["vaults", session.vault_ids.join(", ")],
      ["resources", session.resources.map(({ id, type }) => `${id} (${type})`).join(", ")],
      ["tokens", `${tokens} in, ${usage.output_tokens ?? 0} out`],
      ["list cost", cost ? dollarsOf(cost.amount) : null],
      ["budget", session.budget && dollarsOf(session.budget.max_list_cost.amount)],
      ["worked", stats.active_seconds === undefined ? null : `${stats.active_seconds} s`],
      ["forked from", from ? `${from.session_id} at ${from.event_id ?? "its beginning"}` : null],
      ["created", when(session.created_at)],
      ["changed", when(session.updated_at)],
      ["archived", session.archived_at && when(session.archived_at)],
    ],
    process.stdout,
  );
}

/** What is asked for: by its id, or the newest. */
export async function sessionId(client: Anthropic, named: string): Promise<string> {
  if (named !== "last") return named;
  for await (const { id } of client.beta.sessions.list({ limit: 1 })) return id;
  throw new Failure("there is no session yet: drover run or drover chat makes one", exits.not_found);
}

const oneOf =
  (allowed: readonly string[]) =>
  (text: string, before: string[] = []): string[] => {
    if (allowed.includes(text)) return repeated(text, before);
    throw new InvalidArgumentError(`It must be one of ${allowed.join(", ")}.`);
  };
