import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Drover } from "./drover.ts";
import { waiting } from "./waiting.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

/** Notes how the terminal is set before and after, and which process it is that runs there. */
const noted = `stty cols "$COLUMNS_HERE" rows 24
stty -g > "$NOTES.before"
sh -c 'echo $$ > "$NOTES.pid"; exec "$NODE" "$MAIN" "$@"' sh ARGS
code=$?
stty -g > "$NOTES.after"
exit $code`;

/** What a terminal is to show, it shows within this time. */
const patience_ms = 60_000;

/** `drover ...` on a terminal of its own, which shows both outputs. Its arguments are words. */
export function onTerminal(args: string[], drover: Drover, columns = 100) {
  const notes = join(drover.folder, randomUUID());
  const child = spawn("script", ["-qfec", noted.replace("ARGS", args.join(" ")), "/dev/null"], {
    env: {
      ...drover.env,
      NODE: process.execPath,
      MAIN: main,
      NOTES: notes,
      TERM: "xterm",
      COLUMNS_HERE: String(columns),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { ring, until } = waiting();
  let text = "";
  let over = false;
  child.stdout.on("data", (chunk) => {
    text += chunk;
    ring();
  });
  const ended = once(child, "close").then(([code]) => {
    over = true;
    ring();
    return code as number | null;
  });
  let from = 0;
  const note = (name: string) => readFileSync(`${notes}.${name}`, "utf8").trim();
  return {
    ended,
    said: () => text,
    /** As a terminal is closed, with all that runs in it. */
    close: () => void child.kill(),
    type: (keys: string) => child.stdin.write(keys),
    kill: (signal: NodeJS.Signals) => process.kill(Number(note("pid")), signal),
    /** As a window that is made narrower or wider. */
    resize: (columns: number) =>
      execFileSync("stty", ["-F", `/proc/${note("pid")}/fd/1`, "cols", String(columns)]),
    /** When it has ended. */
    isAsItWas: () => assert.equal(note("after"), note("before")),
    /** Resolves when it has shown that, after what was waited for before. */
    async shows(pattern: RegExp): Promise<string> {
      const deadline = Date.now() + patience_ms;
      const late = setTimeout(ring, patience_ms + 1);
      return until(() => {
        const found = pattern.exec(text.slice(from));
        if (found) {
          from += found.index + found[0].length;
          return found[0];
        }
        if (over) throw new Error(`it ended without ${pattern}:\n${text}`);
        if (Date.now() > deadline) throw new Error(`it does not show ${pattern}:\n${JSON.stringify(text)}`);
        return undefined;
      }).finally(() => clearTimeout(late));
    },
  };
}
