import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import type { SetupEvent } from "../../protocol/events.ts";
import { cut, displayWidth } from "../display-width.ts";
import { painter, type Terminal, visible, visibleLine } from "../terminal.ts";
import { inputText, isSetup, reasonText, textOf } from "./tree.ts";

/** A call of the agent, and what came of it. */
export interface Call {
  id: string;
  name: string;
  input: string;
  is_custom: boolean;
  started: number;
  result: Result | null;
}

interface Result {
  text: string;
  is_error: boolean;
}

export interface ChatView {
  /** Takes note of what it does not draw. */
  keep(event: StreamEvent): void;
  show(event: StreamEvent | SetupEvent): void;
  /** Those of the conversation, oldest first. */
  calls: Map<string, Call>;
  /** A result whole, where it is folded otherwise. */
  unfold(call: Call): void;
  folded: boolean;
  /** Ends a line that is still being written. */
  endLine(): void;
}

/** Lines of a result that are shown while results are folded. */
const foldedLines = 1;

/** Draws a conversation while it happens: words as they come, each call in a line. */
export function chatView(out: Terminal): ChatView {
  const paint = painter(out);
  const calls = new Map<string, Call>();
  /** How much of each block has been written before the event came whole, by its id. */
  const written = new Map<string, number[]>();
  let open = false;
  let half = "";

  const line = (text: string) => {
    view.endLine();
    out.write(`${text}\n`);
  };
  const say = (text: string) => {
    if (text === "") return;
    out.write(visible(text));
    open = !text.endsWith("\n");
  };
  const begun = ({ name, input }: Call) => {
    const shown = visibleLine(name);
    const room = out.isTTY
      ? Math.max(20, (out.columns || 100) - displayWidth(shown) - 4)
      : Number.POSITIVE_INFINITY;
    line(`${paint("blue", `▸ ${shown}`)} ${paint("dim", cut(visibleLine(input), room))}`);
  };
  const ended = ({ text, is_error }: Result, took_ms: number | null) => {
    const lines = text.trimEnd().split("\n");
    const shown = view.folded ? lines.slice(0, foldedLines) : lines;
    const took = took_ms === null ? "" : ` ${(took_ms / 1_000).toFixed(1)} s`;
    const more =
      lines.length > shown.length ? paint("dim", ` (+${lines.length - shown.length} lines: /show)`) : "";
    const mark = paint(is_error ? "red" : "dim", `${is_error ? "failed" : "done"}${took}`);
    const room =
      view.folded && out.isTTY ? Math.max(20, (out.columns || 100) - 30) : Number.POSITIVE_INFINITY;
    const [first = "", ...rest] = shown.map((each) => paint("dim", cut(visibleLine(each), room)));
    line(`  ${mark}${first === "" ? "" : ` ${first}`}${more}`);
    for (const each of rest) line(`    ${each}`);
  };
  /** Keeps a call or its result; what there is to draw of it. */
  const kept = (event: StreamEvent): (() => void) | null => {
    const call = callIn(event);
    if (call) {
      calls.set(call.id, call);
      return () => begun(call);
    }
    const ending = resultIn(event);
    const of = ending && calls.get(ending.call_id);
    if (!of) return null;
    of.result = ending.result;
    return () => ended(ending.result, ending.at === null ? null : Date.parse(ending.at) - of.started);
  };
  /** An answer that has begun to come and will not be whole. */
  const breakOff = () => {
    if (written.size > 0 && open) out.write(paint("dim", "…"));
    written.clear();
    half = "";
    view.endLine();
  };

  const view: ChatView = {
    calls,
    folded: true,
    unfold({ name, input, result }) {
      line(`${paint("blue", `▾ ${visibleLine(name)}`)} ${visible(input)}`);
      line(result === null ? paint("dim", "it has not ended yet") : visible(result.text));
    },
    endLine() {
      if (open) out.write("\n");
      open = false;
    },
    keep(event) {
      kept(event);
    },
    show(event) {
      const draw = isSetup(event) ? null : kept(event);
      if (draw) return draw();
      switch (event.type) {
        case "event_start":
          breakOff();
          written.set(event.event.id, []);
          return;
        case "event_delta": {
          const blocks = written.get(event.event_id);
          if (!blocks || event.delta.type !== "content_delta") return;
          const index = event.delta.index ?? 0;
          // Half of a character is kept back until the other half comes.
          const all = half + event.delta.content.text;
          const text = /[\ud800-\udbff]$/.test(all) ? all.slice(0, -1) : all;
          half = all.slice(text.length);
          if (blocks.length > 0 && blocks[index] === undefined) view.endLine();
          blocks[index] = (blocks[index] ?? 0) + text.length;
          say(text);
          return;
        }
        case "agent.message": {
          const blocks = written.get(event.id) ?? [];
          written.delete(event.id);
          event.content.forEach((block, n) => {
            const text = block.type === "text" ? block.text : `[${block.type}]`;
            if (blocks[n] === undefined) view.endLine();
            say(text.slice(blocks[n] ?? 0));
          });
          view.endLine();
          return;
        }
        case "user.message":
          return line(`${paint("cyan", "user")} ${visible(textOf(event.content))}`);
        case "span.model_request_end":
          return breakOff();
        case "span.environment_setup_start":
          return line(paint("dim", "the environment is being set up"));
        case "session.error":
          return line(`${paint("red", visibleLine(event.error.type))} ${visibleLine(event.error.message)}`);
        case "session.status_rescheduled":
          return line(paint("yellow", "waiting to try again"));
        case "session.status_terminated":
          return line(paint("bold", "the session has ended"));
        case "session.status_idle":
          breakOff();
          if (event.stop_reason.type === "budget_reached")
            line(
              `${paint("red", "the budget is reached:")} /budget DOLLARS raises it, /budget none removes it`,
            );
          else if (!["end_turn", "requires_action"].includes(event.stop_reason.type))
            line(paint("red", visibleLine(reasonText(event))));
          return;
        default:
          return;
      }
    },
  };
  return view;
}

function callIn(event: StreamEvent): Call | null {
  if (
    event.type !== "agent.tool_use" &&
    event.type !== "agent.mcp_tool_use" &&
    event.type !== "agent.custom_tool_use"
  )
    return null;
  return {
    id: event.id,
    name: event.type === "agent.mcp_tool_use" ? `${event.mcp_server_name}/${event.name}` : event.name,
    input: inputText(event.input),
    is_custom: event.type === "agent.custom_tool_use",
    started: Date.parse(event.processed_at),
    result: null,
  };
}

function resultIn(event: StreamEvent): { call_id: string; result: Result; at: string | null } | null {
  const of = (call_id: string, at: string | null | undefined) => {
    const { content, is_error } = event as { content?: Parameters<typeof textOf>[0]; is_error?: boolean };
    return { call_id, result: { text: textOf(content ?? []), is_error: is_error === true }, at: at ?? null };
  };
  switch (event.type) {
    case "agent.tool_result":
    case "user.tool_result":
      return of(event.tool_use_id, event.processed_at);
    case "agent.mcp_tool_result":
      return of(event.mcp_tool_use_id, event.processed_at);
    case "user.custom_tool_result":
      return of(event.custom_tool_use_id, event.processed_at);
    default:
      return null;
  }
}
