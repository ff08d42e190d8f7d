import type { BetaManagedAgentsStreamSessionEvents } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import type { SetupEvent } from "../../protocol/events.ts";
import { cut } from "../display-width.ts";
import { painter, type Terminal, visible, visibleLine } from "../terminal.ts";
import { workerCalls } from "./worker-calls.ts";

type StreamEvent = BetaManagedAgentsStreamSessionEvents | SetupEvent;

/**
 * Draws a session's events as a tree while they come: a turn at the margin, what happens in it below. Text is shown
 * with its control characters made visible, so that no tool output can move the cursor.
 */
export function eventTree(out: Terminal): { show(event: StreamEvent): void } {
  const paint = painter(out);
  const width = () => (out.isTTY ? Math.max(40, out.columns || 100) : Number.POSITIVE_INFINITY);
  const started = new Map<string, number>();
  const toolNames = new Map<string, string>();
  const ofWorkers = workerCalls();
  let waitsForWorker = false;

  const line = (branch: string, name: string, text = "") => {
    const lines = text === "" ? [""] : visible(text).split("\n");
    const room = width() - branch.length - 2;
    const shown = lines.slice(0, linesMax).map((part) => cut(part, Math.max(20, room)));
    if (lines.length > linesMax) shown.push(paint("dim", `... ${lines.length - linesMax} more lines`));
    const [first = "", ...rest] = shown;
    out.write(`${branch} ${name}${first === "" ? "" : ` ${first}`}\n`);
    const below = branch.replace("├─", "│ ").replace("└─", "  ");
    for (const part of rest) out.write(`${below}   ${part}\n`);
  };
  const seconds = (from: string | undefined, to: string) => {
    const start = from === undefined ? undefined : started.get(from);
    return start === undefined ? "" : paint("dim", ` ${((Date.parse(to) - start) / 1000).toFixed(2)} s`);
  };

  return {
    show(event) {
      if (!isSetup(event)) ofWorkers.hear(event);
      switch (event.type) {
        case "user.message":
          if (event.processed_at) line("├─", paint("cyan", "user"), textOf(event.content));
          return;
        case "user.interrupt":
          if (event.processed_at) line("├─", paint("yellow", "interrupt"));
          return;
        case "session.status_running":
          if (!waitsForWorker) line("┌─", `${paint("bold", "turn")} ${paint("dim", "running")}`);
          waitsForWorker = false;
          return;
        case "span.model_request_start":
          started.set(event.id, Date.parse(event.processed_at));
          return;
        case "span.model_request_end": {
          const { input_tokens, output_tokens, cache_read_input_tokens: cached } = event.model_usage;
          const tokens = `${input_tokens + cached} tokens in, ${output_tokens} out`;
          const what = `model request: ${tokens}${event.is_error ? ", failed" : ""}`;
          const took = seconds(event.model_request_start_id, event.processed_at);
          line("│  ", `${paint("dim", what)}${took}`);
          return;
        }
        case "span.environment_setup_start":
          started.set(event.id, Date.parse(event.processed_at));
          line("├─", paint("magenta", "setting up the environment"));
          return;
        case "span.environment_setup_ongoing":
          line("│  ", paint("dim", "setup"), event.message);
          return;
        case "span.environment_setup_end": {
          const took = seconds(event.environment_setup_start_id, event.processed_at);
          // Of a failure the error that follows says more.
          line("│  ", `${event.is_error ? paint("red", "not set up") : paint("dim", "set up")}${took}`);
          return;
        }
        case "agent.thinking":
          line("├─", paint("magenta", "thinking"));
          return;
        case "agent.message":
          line("├─", paint("green", "agent"), textOf(event.content));
          return;
        case "agent.tool_use":
          started.set(event.id, Date.parse(event.processed_at));
          toolNames.set(event.id, event.name);
          line("├─", paint("blue", visibleLine(event.name)), inputText(event.input));
          return;
        case "agent.mcp_tool_use": {
          started.set(event.id, Date.parse(event.processed_at));
          const name = `${paint("blue", visibleLine(event.name))} ${paint("dim", `of ${visibleLine(event.mcp_server_name)}`)}`;
          line("├─", name, inputText(event.input));
          return;
        }
        case "agent.custom_tool_use":
          line(
            "├─",
            `${paint("blue", visibleLine(event.name))} ${paint("dim", "for the client")}`,
            inputText(event.input),
          );
          return;
        case "user.custom_tool_result":
          line("│  ", paint("cyan", "answered"), textOf(event.content ?? []));
          return;
        case "user.tool_confirmation":
          if (event.processed_at)
            line("│  ", paint("cyan", visibleLine(event.result)), event.deny_message ?? "");
          return;
        case "user.tool_result":
        case "agent.tool_result":
        case "agent.mcp_tool_result": {
          const call = event.type === "agent.mcp_tool_result" ? event.mcp_tool_use_id : event.tool_use_id;
          const took = seconds(call, event.processed_at ?? "");
          const mark = event.is_error ? paint("red", "failed") : paint("dim", "result");
          line("│  ", `${mark}${took}`, textOf(event.content ?? []));
          return;
        }
        case "session.error":
          line("├─", paint("red", visibleLine(event.error.type)), event.error.message);
          return;
        case "session.status_rescheduled":
          line("├─", paint("yellow", "waiting to try again"));
          return;
        case "session.status_idle": {
          if (ofWorkers.areAwaitedBy(event)) {
            if (!waitsForWorker) line("│  ", paint("dim", "waiting for a worker"));
            waitsForWorker = true;
            return;
          }
          waitsForWorker = false;
          const reason = event.stop_reason.type;
          line("└─", reason === "end_turn" ? paint("bold", "idle") : paint("red", "idle"), reasonText(event));
          return;
        }
        case "session.status_terminated":
          line("└─", paint("bold", "terminated"));
          return;
        default:
          return;
      }
    },
  };
}

const linesMax = 12;

export const isSetup = (event: StreamEvent): event is SetupEvent =>
  event.type.startsWith("span.environment_setup_");

export function reasonText({
  stop_reason: reason,
}: Extract<StreamEvent, { type: "session.status_idle" }>): string {
  if (reason.type === "requires_action") return `requires_action: answer ${reason.event_ids.join(", ")}`;
  return reason.type === "budget_reached"
    ? "budget_reached: raise it by drover sessions budget"
    : reason.type;
}

export function textOf(content: readonly { type: string; text?: string }[]): string {
  return content.map((block) => (block.type === "text" ? (block.text ?? "") : `[${block.type}]`)).join("\n");
}

export function inputText(input: Record<string, unknown>): string {
  const [only, ...others] = Object.values(input);
  return others.length === 0 && typeof only === "string" ? only : JSON.stringify(input);
}
