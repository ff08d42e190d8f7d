import { cut } from "../display-width.ts";
import { canRedraw, type Terminal } from "../terminal.ts";

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** A line that says what is being waited for and how long already; nothing at all where there is no terminal. */
export function progress(out: Terminal): { after(event: { type: string }): void; clear(): void } {
  let timer: NodeJS.Timeout | undefined;
  const clear = () => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    out.write("\r\u001b[K");
  };
  const wait = (what: string) => {
    clear();
    if (!canRedraw(out)) return;
    const since = Date.now();
    timer = setInterval(() => {
      const seconds = Math.floor((Date.now() - since) / 1000);
      const line = `${frames[seconds % frames.length]} ${what} ${seconds} s`;
      if (seconds >= 1) out.write(`\r\u001b[K${cut(line, (out.columns || 80) - 1)}`);
    }, 250);
  };
  return {
    clear,
    after(event) {
      if (event.type === "span.model_request_start") wait("the model is answering");
      else if (
        event.type === "agent.tool_use" ||
        event.type === "agent.mcp_tool_use" ||
        event.type === "span.environment_setup_end"
      )
        wait("a tool is running");
      else if (event.type.startsWith("span.environment_setup_")) wait("the environment is being set up");
      else if (event.type === "session.status_rescheduled") wait("waiting to try again");
    },
  };
}
