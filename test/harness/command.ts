import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { waiting } from "./waiting.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

export interface DroverCommand {
  child: ChildProcess;
  /** All that it has written so far, to both outputs. */
  said(): string;
  /** Resolves when it has written something that matches; rejects when it ends before. */
  says(pattern: RegExp): Promise<void>;
  /** Its exit code. */
  ended: Promise<number | null>;
}

/** `drover ...` as a process of a group of its own, as a terminal would start it. */
export function startCommand(args: string[], env: NodeJS.ProcessEnv): DroverCommand {
  const { PATH, HOME, XDG_RUNTIME_DIR, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH, HOME, XDG_RUNTIME_DIR, NODE_COMPILE_CACHE, ...env },
  });
  const { ring, until } = waiting();
  let text = "";
  let over = false;
  for (const output of [child.stdout, child.stderr]) {
    output.on("data", (chunk) => {
      text += chunk;
      ring();
    });
  }
  const ended = once(child, "close").then(([code]) => {
    over = true;
    ring();
    return code as number | null;
  });
  return {
    child,
    said: () => text,
    ended,
    says: (pattern) =>
      until(() => {
        if (pattern.test(text)) return null;
        if (over) throw new Error(`it ended without ${pattern}:\n${text}`);
        return undefined;
      }).then(() => {}),
  };
}
