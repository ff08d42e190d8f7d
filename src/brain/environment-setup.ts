import { stripVTControlCharacters } from "node:util";
import { failpoint } from "../failpoints.ts";
import { limits } from "../limits.ts";
import type { AnyDraft } from "../log/entry.ts";
import type { CloudConfig } from "../protocol/environments.ts";
import { type Outcome, type SetUpEnd, threadOf } from "./outcome.ts";
import { type Drafts, none, type Pen, writer } from "./pen.ts";
import { type RepositoryOutcome, repositoryDrafts } from "./repositories.ts";
import { awaitsClient, isDueInSandbox, type State, setupBy, type Thread } from "./state.ts";

/** Whether there is something to be made before the first call in its sandbox. */
export const needsSetup = ({ packages: { type: _, ...managers }, setup = [] }: CloudConfig): boolean =>
  setup.length > 0 || Object.values(managers).some((names) => names.length > 0);

type Ended = Extract<Outcome, { type: "setup_ended" }>;
type Ongoing = Extract<Outcome, { type: "setup_ongoing" }>;
type About = Pick<Ended, "thread_id" | "setup_id">;

/** An abort ends the wait at once, and on the host what is waited for. */
export async function awaitSetup(
  about: About,
  setUp: (onProgress: (line: string) => void, signal: AbortSignal) => Promise<SetUpEnd>,
  tell: (outcome: Ongoing) => void,
  signal: AbortSignal,
): Promise<Ended> {
  let over = false;
  const aborted = new Promise<{ status: "aborted" }>((resolve) => {
    const end = () => resolve({ status: "aborted" });
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });
  const onProgress = (line: string) => {
    if (!over) tell({ type: "setup_ongoing", ...about, line });
  };
  failpoint("setup_asked");
  const result = await Promise.race([setUp(onProgress, signal), aborted]);
  over = true;
  failpoint("setup_answered");
  return { type: "setup_ended", ...about, result };
}

/** What an installer writes may have been made to mislead whoever reads it: it is text, as one line where it is told alone. */
export function ongoingDrafts({ thread_id, setup_id, line }: Ongoing, state: State, pen: Pen): Drafts {
  const thread = threadOf(state, thread_id);
  const setup = setupBy(thread, state.setup);
  const message = plain(line).replaceAll("\n", " ").trim().slice(0, limits.setup_line_chars_max);
  if (setup?.id !== setup_id || setup.told >= limits.setup_lines_max || message === "") return none();
  const shown = writer(thread, pen, "session");
  return {
    ...none(),
    entries: [
      shown("span.environment_setup_ongoing", {
        environment_setup_start_id: setup_id,
        message: message.toWellFormed(),
      }),
    ],
  };
}

/** A failure would come again, so it ends the turn. Where only no sandbox could be made, the model decides. */
export function setupDrafts({ thread_id, setup_id, result }: Ended, state: State, pen: Pen): Drafts {
  const thread = threadOf(state, thread_id);
  switch (result.status) {
    case "ready":
      return {
        ...none(),
        entries: [
          ...result.repositories.flatMap((outcome) => repositoryDrafts(readable(outcome), thread, pen)),
          setupEnd(thread, setup_id, null, pen),
        ],
      };
    case "aborted":
      return { ...none(), entries: [setupEnd(thread, setup_id, interruptedSetup, pen)] };
    case "unavailable": {
      const message = `No sandbox is available: ${bounded(result.reason)}`;
      const waiting = thread.calls.filter((call) => isDueInSandbox(call) && !awaitsClient(call));
      const entries = [setupEnd(thread, setup_id, message, pen), ...results(thread, waiting, message, pen)];
      return { ...none(), entries };
    }
    case "failed": {
      const message = bounded(`The environment could not be set up: ${result.message}`);
      const retry_status = { type: "exhausted" } as const;
      const error = { type: "unknown_error", message, retry_status } as const;
      return {
        ...none(),
        entries: [
          setupEnd(thread, setup_id, message, pen),
          ...results(thread, thread.calls.filter(isDueInSandbox), message, pen),
          writer(thread, pen, "session")("session.error", { error }),
          writer(thread, pen, "internal")("turn_failed", { reader: 1, rejected: false }),
        ],
      };
    }
  }
}

/** What a repository's server or a program in the sandbox said of a failure, as that of an installer. */
const readable = (outcome: RepositoryOutcome): RepositoryOutcome =>
  outcome.status === "failed" ? { ...outcome, message: bounded(outcome.message) } : outcome;

export const setupEnd = (thread: Thread, setupId: string, message: string | null, pen: Pen): AnyDraft =>
  writer(
    thread,
    pen,
    "session",
  )("span.environment_setup_end", {
    environment_setup_start_id: setupId,
    is_error: message !== null,
    message,
  });

export const interruptedSetup = "Nobody waits any more for the environment to be set up.";

const results = (thread: Thread, calls: Thread["calls"], text: string, pen: Pen): AnyDraft[] =>
  calls.map(({ id }) =>
    writer(
      thread,
      pen,
      "session",
    )("agent.tool_result", {
      tool_use_id: id,
      content: [{ type: "text", text }],
      is_error: true,
    }),
  );

const plain = (text: string): string =>
  stripVTControlCharacters(text).replace(/[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, " ");

const bounded = (text: string): string => plain(text).slice(0, limits.setup_failure_chars_max).toWellFormed();
