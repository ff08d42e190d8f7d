import { type Anthropic, APIError } from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsEventParams as EventParams,
  BetaManagedAgentsStreamSessionEvents as StreamEvent,
} from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { type Exit, exits, Failure } from "../exits.ts";
import { canRedraw, painter, visible, visibleLine } from "../terminal.ts";
import { budgetLine, setBudget } from "./budget.ts";
import { type Call, type ChatView, chatView } from "./chat-view.ts";
import { explainAt } from "./connection.ts";
import { type Input, keyboard, piped, type Question, Withdrawn } from "./keyboard.ts";
import { once } from "./once.ts";
import { pathIn, tellOfOutputs } from "./outputs.ts";
import { progress } from "./progress.ts";
import { endsTurn, exitAfter } from "./session.ts";
import { bytes } from "./table.ts";
import { eventTree, textOf } from "./tree.ts";
import { appearances, watchSession } from "./watch.ts";
import { workerCalls } from "./worker-calls.ts";

/** A path is none. */
const isOrder = /^\/[a-z]*(\s|$)/;

const help = `  /show [n]   the newest call whole, or the n-th newest
  /fold       show results whole from now on, or folded again
  /files      the files that the session has made
  /budget [$] what the session may cost; sets it to so many dollars, or removes it with none
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
  const said = saidHere();
  let question = new AbortController();
  const stay = `the session stays: drover chat --session ${visibleLine(session)}\n`;
  const tell = (text: string) => {
    waiting.clear();
    view.endLine();
    process.stderr.write(text);
  };

  const hear = (event: StreamEvent) => {
    ofWorkers.hear(event);
    const isRest = endsTurn(event) && !ofWorkers.areAwaitedBy(event);
    if (isRest) turns.ends(event);
    else if (event.type.startsWith("session.status_")) turns.begins();
    return isRest;
  };
  const show = (event: StreamEvent) => {
    // What somebody else does in the session takes the place of what is being asked here.
    if (event.type.startsWith("session.status_")) question.abort();
    waiting.clear();
    if (event.type !== "user.message" || (event.processed_at && !said.isTaken(textOf(event.content))))
      view.show(event);
    if (!hear(event) && canRedraw(stdout)) waiting.after(event);
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
      reconnecting() {
        question.abort();
        tell("the connection broke; trying again\n");
      },
      async opened() {
        const before: StreamEvent[] = [];
        for await (const event of client.beta.sessions.events.list(session, { limit: pageSize })) {
          appeared.isNew(event);
          ofWorkers.hear(event);
          before.push(event);
        }
        const tree = eventTree(stdout);
        if (resumed) for (const event of before.slice(-resumedEvents)) tree.show(event);
        for (const event of before) view.keep(event);
        const last = before.findLast(({ type }) => type.startsWith("session.status_"));
        if (last) hear(last);
        opened();
      },
    });
    for await (const event of events) show(event);
  })();
  const broken = watched.then(() => Promise.reject(new Error("the session is no more to be heard")));
  broken.catch(() => question.abort());
  await Promise.race([isOpen, broken]);

  /** What is refused is told, and the conversation goes on, unless nothing at all would be taken any more. */
  const send = async (event: EventParams, options = once()): Promise<boolean> => {
    turns.awaits();
    try {
      await client.beta.sessions.events.send(session, { events: [event] }, options);
      return true;
    } catch (error) {
      turns.failed();
      if (!isTalk || !(error instanceof APIError) || [401, 403, 404].includes(error.status ?? 0)) throw error;
      tell(`${explainAt(client.baseURL, error)}\n`);
      return false;
    }
  };
  const say = async (text: string) => {
    const options = said.begin(text);
    if (await send({ type: "user.message", content: [{ type: "text", text }] }, options)) return;
    said.failed(text, options);
    input.keep(text);
  };
  const input = isTalk ? keyboard(paint("cyan", "› ")) : piped();
  const interrupts = onInterrupt(turns, {
    interrupt() {
      tell("interrupting the agent; press Ctrl-C again to leave\n");
      const events: EventParams[] = [{ type: "user.interrupt" }];
      client.beta.sessions.events.send(session, { events }, once()).catch((error) => {
        tell(`${explainAt(client.baseURL, error)}\n`);
      });
    },
    leave() {
      tell(stay);
      process.exit(exits.interrupted);
    },
  });

  try {
    for (;;) {
      const last = await Promise.race([broken, turns.over()]);
      waiting.clear();
      if (last?.type === "session.status_terminated") return isTalk ? exits.done : exitAfter(last);
      question = new AbortController();
      const asked: Question = { withdrawn: question.signal };
      // Something has come in between.
      if (turns.working) continue;
      try {
        const [call] = last === null ? [] : ofWorkers.others(last);
        if (call !== undefined && !isTalk) return exits.waits;
        if (call !== undefined) {
          const answer = await answerTo(view.calls.get(call), call, input, asked);
          if (answer === null) {
            tell(stay);
            return exits.done;
          }
          await send(answer);
          continue;
        }
        const text = await input.line({ ...asked, isDraft: true });
        if (text === null || text === "/exit") {
          if (isTalk) tell(stay);
          return isTalk || last === null ? exits.done : exitAfter(last);
        }
        if (text.trim() === "") continue;
        if (isTalk && isOrder.test(text)) await obey(text, client, session, view);
        else await say(text);
      } catch (error) {
        if (!(error instanceof Withdrawn)) throw error;
      }
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
const pageSize = 1_000;

/** Whether the agent is at work, and the event that it stopped with. */
function turnsOf() {
  let last: StreamEvent | null = null;
  let running = false;
  /** Something was sent, and nothing has come of it yet. */
  let sent = false;
  let wake = () => {};
  const turns = {
    get working() {
      return running || sent;
    },
    /** This turn has been told to stop. */
    interrupted: false,
    begins() {
      if (!turns.working) turns.interrupted = false;
      running = true;
    },
    ends(event: StreamEvent) {
      last = event;
      running = sent = false;
      wake();
    },
    awaits() {
      if (!turns.working) turns.interrupted = false;
      sent = true;
    },
    failed() {
      sent = false;
      wake();
    },
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

/** Messages from here, which need not be shown when they are taken up, as those of others are. */
function saidHere() {
  const own: string[] = [];
  /** The newest that could not be sent, or was and nobody knows: said again it is the same one. */
  let failed: { text: string; options: ReturnType<typeof once> } | null = null;
  const forget = (text: string): boolean => {
    const place = own.indexOf(text);
    if (place >= 0) own.splice(place, 1);
    return place >= 0;
  };
  return {
    begin(text: string): ReturnType<typeof once> {
      own.push(text);
      return failed?.text === text ? failed.options : once();
    },
    failed(text: string, options: ReturnType<typeof once>) {
      forget(text);
      failed = { text, options };
    },
    isTaken(text: string): boolean {
      if (failed?.text === text) failed = null;
      return forget(text);
    },
  };
}

/** Null where who was asked leaves. */
async function answerTo(
  call: Call | undefined,
  id: string,
  input: Input,
  asked: Question,
): Promise<EventParams | null> {
  const { stdout } = process;
  const paint = painter(stdout);
  stdout.write(
    `${paint("yellow", "the agent asks:")} ${visibleLine(call?.name ?? id)}\n${visible(call?.input ?? "")}\n`,
  );
  if (call?.is_custom) {
    stdout.write("what came of it?\n");
    const text = await input.line(asked);
    if (text === null) return null;
    return { type: "user.custom_tool_result", custom_tool_use_id: id, content: [{ type: "text", text }] };
  }
  const key = await input.key("allow it? [y]es, [n]o, no and [w]hy: ", "ynw", asked);
  if (key === null) return null;
  if (key === "y") return { type: "user.tool_confirmation", tool_use_id: id, result: "allow" };
  const deny_message = key === "w" ? await input.line(asked) : "";
  if (deny_message === null) return null;
  return {
    type: "user.tool_confirmation",
    tool_use_id: id,
    result: "deny",
    ...(deny_message !== "" && { deny_message }),
  };
}

/** What a line says that begins with a slash. */
async function obey(text: string, client: Anthropic, session: string, view: ChatView): Promise<void> {
  const { stdout } = process;
  const [word = "", what] = text.slice(1).split(/\s+/);
  if (word === "show") {
    const call = [...view.calls.values()].at(-(Number(what) || 1));
    if (call) view.unfold(call);
    else stdout.write("there has been no such call\n");
  } else if (word === "fold") {
    view.folded = !view.folded;
    stdout.write(view.folded ? "results are folded\n" : "results are shown whole\n");
  } else if (word === "files") {
    let made = 0;
    await tellOfOutputs(client, session, new Set(), (file) => {
      made += 1;
      stdout.write(`${visibleLine(pathIn(file))}  ${bytes(file.size_bytes)}  ${visibleLine(file.id)}\n`);
    });
    if (made === 0) stdout.write("it has made none\n");
  } else if (word === "budget") {
    try {
      stdout.write(`${budgetLine(await setBudget(client, session, what))}\n`);
    } catch (error) {
      if (!(error instanceof APIError || error instanceof Failure)) throw error;
      stdout.write(`${explainAt(client.baseURL, error)}\n`);
    }
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
