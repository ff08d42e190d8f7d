import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ownMain = join(import.meta.dirname, "../../src/main.ts");

export interface PartOptions {
  /** The entry of another version of the program. */
  main?: string;
  /** A command that becomes it. */
  through?: string[];
  /** A module that the process loads first. What it is told comes by `child.send`. */
  preload?: string;
  /** Hears each line of its log. */
  heard?(line: string): void;
}

/** `drover serve` or `drover hands` as a process of its own, once it is ready. One that ends before fails with its log. */
export async function startPart(
  args: string[],
  env: NodeJS.ProcessEnv,
  { main = ownMain, through = [], preload, heard }: PartOptions = {},
): Promise<ChildProcess> {
  const loading = preload === undefined ? [] : ["--import", preload];
  const [command = "", ...rest] = [...through, process.execPath, ...loading, main, ...args];
  const child = spawn(command, rest, {
    env: { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
    stdio: ["ignore", "ignore", "pipe", ...(preload === undefined ? [] : ["ipc" as const])],
  });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    if (!child.stderr) return reject(new Error(`drover ${args[0]} has no stderr`));
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      heard?.(line);
      if (line.includes('"msg":"ready"')) resolve();
    });
    child.once("exit", () => reject(new Error(`drover ${args[0]} ended: ${said.join("\n")}`)));
  });
  return child;
}
