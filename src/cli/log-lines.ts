import { jsonText, painter, type Terminal, visible } from "./terminal.ts";

const names: Record<number, string> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

interface LogLine {
  level: number;
  time: number;
  msg: string;
  err?: { message?: string; stack?: string };
  [field: string]: unknown;
}

/**
 * JSON log lines as they are where a program reads them, and readable where a person does: a message may name what a
 * program in a sandbox has named.
 */
export function logLines(out: Terminal): (from: string, line: string) => void {
  if (!out.isTTY) return (_, line) => out.write(`${line}\n`);
  const paint = painter(out);
  return (from, line) => {
    const parsed = parse(line);
    if (!parsed) {
      out.write(`${paint("dim", from)} ${visible(line)}\n`);
      return;
    }
    const { level, time, msg, err, pid: _, hostname: __, ...fields } = parsed;
    const name = names[level] ?? String(level);
    const shown = level >= 50 ? paint("red", name) : level >= 40 ? paint("yellow", name) : paint("dim", name);
    const rest = Object.entries(fields).map(([key, value]) => `${key}=${jsonText(value)}`);
    const clock = new Date(time).toISOString().slice(11, 19);
    const words = [
      paint("dim", clock),
      paint("dim", from),
      shown,
      visible(msg),
      ...rest.map(visible),
      ...(err?.message ? [`(${visible(err.message)})`] : []),
    ];
    out.write(`${words.join(" ")}\n`);
  };
}

function parse(line: string): LogLine | null {
  if (!line.startsWith("{")) return null;
  try {
    const value = JSON.parse(line) as LogLine;
    return typeof value.level === "number" && typeof value.msg === "string" ? value : null;
  } catch {
    return null;
  }
}
