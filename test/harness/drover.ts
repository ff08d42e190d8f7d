import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const main = join(import.meta.dirname, "../../src/main.ts");

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface DroverOptions {
  env?: NodeJS.ProcessEnv;
  /** What it reads from standard input; nothing unless it says so. */
  input?: string;
}

/** The command line as somebody has it who has a configuration folder of their own, and no terminal. */
export interface Drover {
  (args: string[], options?: DroverOptions): Promise<Ended>;
  /** Fails unless it exits with 0; what it printed. */
  done(args: string[], options?: DroverOptions): Promise<string>;
  /** The same, read as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what they expect
  json(args: string[], options?: DroverOptions): Promise<any>;
  env: NodeJS.ProcessEnv;
  /** A folder of its own. */
  folder: string;
  close(): void;
}

export function droverOf(server: { url: string; key: string } | null): Drover {
  const folder = mkdtempSync(join(tmpdir(), "drover-cli-"));
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env: NodeJS.ProcessEnv = {
    PATH,
    NODE_COMPILE_CACHE,
    XDG_CONFIG_HOME: join(folder, "config"),
    DROVER_DATA_DIR: join(folder, "data"),
    ...(server && { DROVER_BASE_URL: server.url, DROVER_API_KEY: server.key }),
  };
  const drover = async (args: string[], { env: more, input = "" }: DroverOptions = {}): Promise<Ended> => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...env, ...more }, cwd: folder });
    // Whoever does not read it may have ended before it came.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { code: child.exitCode, out, err };
  };
  const done = async (args: string[], options?: DroverOptions) => {
    const { code, out, err } = await drover(args, options);
    if (code !== 0) throw new Error(`drover ${args.join(" ")} ended with ${code}:\n${out}${err}`);
    return out;
  };
  const json = async (args: string[], options?: DroverOptions) => JSON.parse(await done(args, options));
  const close = () => rmSync(folder, { recursive: true, force: true });
  return Object.assign(drover, { done, json, env, folder, close });
}
