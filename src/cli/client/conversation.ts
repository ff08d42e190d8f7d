import { createInterface, emitKeypressEvents, type Interface } from "node:readline";
import { type Anthropic, APIError } from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsEventParams as EventParams,
  BetaManagedAgentsStreamSessionEvents as StreamEvent,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";
import type { FileMetadata } from "../../protocol/files.ts";
import { type Exit, exits } from "../exits.ts";
import { painter, visible, visibleLine } from "../terminal.ts";
import { type Call, type ChatView, chatView } from "./chat-view.ts";
import { explainAt } from "./connection.ts";
import { once } from "./once.ts";
import { pathIn, tellOfOutputs } from "./outputs.ts";
import { progress } from "./progress.ts";
import { endsTurn, exitAfter } from "./session.ts";
import { bytes } from "./table.ts";
import { eventTree } from "./tree.ts";
import { appearances, watchSession } from "./watch.ts";
import { workerCalls } from "./worker-calls.ts";

const help = `  /show [n]   the newest call whole, or the n-th newest
  /fold       show results whole from now on, or folded again
  /files      the files that the session has made
  /exit       leave; so does Ctrl-D. The session stays
`;

/** A conversation with a session until its user leaves; resolves with the exit code. */
export async function converse(
  client: Anthropic,
  session: string,
  { resumed }: { resumed: boolean },
): Promise<Exit> {
  const { stdin, stdout } = process;
  const isTalk = stdin.isTTY === true && stdout.isTTY === true;
  const paint = painter(stdout);
  const view = chatView(stdout);
  const waiting = progress(process.stderr);
  const ofWorkers = workerCalls();
  const appeared = appearances();
  const left = new AbortController();

  const turns = turnsOf();
  const show = (event: StreamEvent) => {
    waiting.clear();
    ofWorkers.hear(event);
    view.show(event);
    if (event.type === "session.status_running") turns.begins();
    if (endsTurn(event) && !ofWorkers.areAwaitedBy(event)) turns.ends(event);
    else if (stdout.isTTY) waiting.after(event);
  };

  stdout.write(`session ${visibleLine(session)}\n`);
  let opened = () => {};
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const watched = (async () => {
    const events = watchSession(client, session, {
      signal: left.signal,
      appeared,
      deltas: ["agent.message"],
      reconnecting: () => process.stderr.write("the connection broke; trying again\n"),
      async opened() {
        const before: StreamEvent[] = [];
        for await (const event of client.beta.sessions.events.list(session)) {
          appeared.isNew(event);
          ofWorkers.hear(event);
          before.push(event);
        }
        const tree = eventTree(stdout);
        if (resumed) for (const event of before.slice(-resumedEvents)) tree.show(event);
        for (const event of before) if (isCall(event)) keepCall(view, event);
        const last = before.findLast(({ type }) => type.startsWith("session.status_"));
        if (last && endsTurn(last)) turns.ends(last);
        else if (last?.type === "session.status_running") turns.begins();
        opened();
      },
    });
    for await (const event of events) show(event);
  })();
  const broken = watched.then(() => Promise.reject(new Error("the session is no more to be heard")));
  broken.catch(() => {});
  await Promise.race([isOpen, broken]);

  const send = async (...events: EventParams[]) => {
    await client.beta.sessions.events.send(session, { events }, once());
  };
  const input = isTalk ? keyboard(paint("cyan", "› ")) : await piped();
  const interrupts = onInterrupt(turns, {
    interrupt() {
      waiting.clear();
      view.endLine();
      process.stderr.write("interrupting the agent; press Ctrl-C again to leave\n");
      send({ type: "user.interrupt" }).catch((error) => {
        process.stderr.write(`${explainAt(client.baseURL, error)}\n`);
      });
    },
    leave() {
      waiting.clear();
      view.endLine();
      process.stderr.write(`the session stays: drover chat --session ${session}\n`);
      process.exit(exits.interrupted);
    },
  });

  try {
    for (;;) {
      const last = await Promise.race([turns.over(), broken]);
      waiting.clear();
      if (last?.type === "session.status_terminated") return isTalk ? exits.done : exitAfter(last);
      const asks = last?.type === "session.status_idle" && last.stop_reason.type === "requires_action";
      if (asks && isTalk) {
        const ids = last.stop_reason.type === "requires_action" ? last.stop_reason.event_ids : [];
        const answers = await answersTo(ids, view, input);
        if (answers === null) {
          process.stderr.write(`the session stays: drover chat --session ${session}\n`);
          return exits.done;
        }
        // Somebody else has answered meanwhile.
        if (turns.latest() !== last || turns.working) continue;
        turns.begins();
        await send(...answers).catch((error) => {
          if (!(error instanceof APIError) || ![400, 409].includes(error.status ?? 0)) throw error;
          process.stderr.write(`${explainAt(client.baseURL, error)}\n`);
          if (turns.latest() === last) turns.ends(last);
        });
        continue;
      }
      if (asks) return exits.waits;
      const text = await input.line();
      if (text === null || text === "/exit") {
        if (isTalk) process.stderr.write(`the session stays: drover chat --session ${session}\n`);
        return isTalk || last === null ? exits.done : exitAfter(last);
      }
      if (text.trim() === "") continue;
      if (isTalk && text.startsWith("/")) {
        await obey(text, view, (tell) => tellOfOutputs(client, session, new Set(), tell));
        continue;
      }
      turns.begins();
      await send({ type: "user.message", content: [{ type: "text", text }] });
    }
  } finally {
    interrupts.end();
    input.close();
    left.abort();
    waiting.clear();
    view.endLine();
  }
}

/** Of what was said before, how many events are shown to whoever comes back. */
const resumedEvents = 40;

const isCall = (event: StreamEvent) =>
  event.type === "agent.tool_use" ||
  event.type === "agent.mcp_tool_use" ||
  event.type === "agent.custom_tool_use";

function keepCall({ calls }: ChatView, event: StreamEvent): void {
  if (
    event.type !== "agent.tool_use" &&
    event.type !== "agent.custom_tool_use" &&
    event.type !== "agent.mcp_tool_use"
  )
    return;
  const is_custom = event.type === "agent.custom_tool_use";
  const input = JSON.stringify(event.input);
  calls.set(event.id, {
    id: event.id,
    name: event.name,
    input,
    is_custom,
    started: Date.parse(event.processed_at),
    result: null,
  });
}

/** Whether the agent is at work, and the event that it stopped with. */
function turnsOf() {
  let last: StreamEvent | null = null;
  let wake = () => {};
  const turns = {
    working: false,
    /** This turn has been told to stop. */
    interrupted: false,
    begins() {
      if (!turns.working) turns.interrupted = false;
      turns.working = true;
    },
    ends(event: StreamEvent) {
      last = event;
      turns.working = false;
      wake();
    },
    latest: () => last,
    async over(): Promise<StreamEvent | null> {
      while (turns.working)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return last;
    },
  };
  return turns;
}

interface Input {
  /** Null where there is nothing more. */
  line(): Promise<string | null>;
  /** One of these keys; null where there is nothing more. */
  key(question: string, keys: string): Promise<string | null>;
  close(): void;
}

/** A line editor while something is asked, and keys of which nothing is shown while nothing is. */
function keyboard(prompt: string): Input {
  const { stdin, stdout } = process;
  emitKeypressEvents(stdin);
  const history: string[] = [];
  let lines: Interface | null = null;
  const hush = () => {
    stdin.setRawMode(true);
    stdin.resume();
  };
  const onKey = (_text: string | undefined, key: { ctrl?: boolean; name?: string } | undefined) => {
    if (lines === null && key?.ctrl && key.name === "c") process.emit("SIGINT");
  };
  stdin.on("keypress", onKey);
  hush();
  return {
    line: () =>
      new Promise((resolve) => {
        const asked = createInterface({ input: stdin, output: stdout, prompt, history: [...history] });
        lines = asked;
        const done = (text: string | null) => {
          lines = null;
          if (text) history.unshift(text);
          resolve(text);
          asked.close();
          hush();
        };
        asked.once("line", done);
        asked.once("SIGINT", () => {
          stdout.write("\n");
          process.emit("SIGINT");
        });
        asked.once("close", () => {
          if (lines !== asked) return;
          stdout.write("\n");
          done(null);
        });
        asked.prompt();
      }),
    key: (question, keys) =>
      new Promise((resolve) => {
        stdout.write(question);
        const onAnswer = (text: string | undefined) => {
          const key = text?.toLowerCase() ?? "";
          const isEnd = key === "\u0004";
          if (key === "" || !(isEnd || keys.includes(key))) return;
          stdin.off("keypress", onAnswer);
          stdout.write(`${isEnd ? "" : key}\n`);
          resolve(isEnd ? null : key);
        };
        stdin.on("keypress", onAnswer);
      }),
    close() {
      stdin.off("keypress", onKey);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

/** Lines of whatever standard input is; nobody is there to press a key. */
async function piped(): Promise<Input> {
  const lines = createInterface({ input: process.stdin });
  const each = lines[Symbol.asyncIterator]();
  return {
    async line() {
      const { value, done } = await each.next();
      return done ? null : value;
    },
    key: () => Promise.reject(new Error("there is no terminal to press a key at")),
    close: () => lines.close(),
  };
}

/** Null where who was asked leaves. */
async function answersTo(
  ids: readonly string[],
  view: ChatView,
  input: Input,
): Promise<EventParams[] | null> {
  const answers: EventParams[] = [];
  for (const id of ids) {
    const answer = await answerTo(view.calls.get(id), id, input);
    if (answer === null) return null;
    answers.push(answer);
  }
  return answers;
}

async function answerTo(call: Call | undefined, id: string, input: Input): Promise<EventParams | null> {
  const { stdout } = process;
  const paint = painter(stdout);
  stdout.write(
    `${paint("yellow", "the agent asks:")} ${visibleLine(call?.name ?? id)}\n${visible(call?.input ?? "")}\n`,
  );
  if (call?.is_custom) {
    stdout.write("what came of it?\n");
    const text = await input.line();
    if (text === null) return null;
    return { type: "user.custom_tool_result", custom_tool_use_id: id, content: [{ type: "text", text }] };
  }
  const key = await input.key("allow it? [y]es, [n]o, no and [w]hy: ", "ynw");
  if (key === null) return null;
  if (key === "y") return { type: "user.tool_confirmation", tool_use_id: id, result: "allow" };
  const deny_message = key === "w" ? await input.line() : null;
  return {
    type: "user.tool_confirmation",
    tool_use_id: id,
    result: "deny",
    ...(deny_message && { deny_message }),
  };
}

/** What a line says that begins with a slash. */
async function obey(
  text: string,
  view: ChatView,
  eachFile: (tell: (file: FileMetadata) => void) => Promise<void>,
): Promise<void> {
  const { stdout } = process;
  const [word = "", which = "1"] = text.slice(1).split(/\s+/);
  if (word === "show") {
    const call = [...view.calls.values()].at(-(Number(which) || 1));
    if (call) view.unfold(call);
    else stdout.write("there has been no such call\n");
  } else if (word === "fold") {
    view.folded = !view.folded;
    stdout.write(view.folded ? "results are folded\n" : "results are shown whole\n");
  } else if (word === "files") {
    let made = 0;
    await eachFile((file) => {
      made += 1;
      stdout.write(`${visibleLine(pathIn(file))}  ${bytes(file.size_bytes)}  ${visibleLine(file.id)}\n`);
    });
    if (made === 0) stdout.write("it has made none\n");
  } else stdout.write(help);
}

/** The first Ctrl-C interrupts the agent, the second one leaves; one while it rests leaves at once. */
function onInterrupt(
  turns: ReturnType<typeof turnsOf>,
  on: { interrupt(): void; leave(): void },
): { end(): void } {
  const heard = () => {
    if (!turns.working || turns.interrupted) return on.leave();
    turns.interrupted = true;
    on.interrupt();
  };
  process.on("SIGINT", heard);
  return { end: () => process.off("SIGINT", heard) };
}
