import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type BuildState, builtConsole, type ConsoleFiles } from "../api/console/files.ts";
import { limits } from "../limits.ts";
import { closedFolder } from "./machine.ts";

const program = join(import.meta.dirname, "../..");

/** Where `serve` finds the console: where it is built, or a copy, if its user may not pass to the program. */
export function consoleOf(
  { runtime_dir }: { runtime_dir: string },
  isOtherUser: boolean,
): Required<ConsoleFiles> {
  const folder = isOtherUser && closedFolder(program) !== null ? join(runtime_dir, "console") : builtConsole;
  return { folder, build_state: join(runtime_dir, "console-build") };
}

export interface ConsoleBuildOptions {
  files: Required<ConsoleFiles>;
  /** What builds it, where that is not current. Null: it is taken as it is. */
  script: string | null;
  /** Where that leaves it. */
  built?: string;
  /** A line for people. */
  say(text: string): void;
  /** A line that the script wrote. */
  log(name: string, line: string): void;
}

export const consoleScript = join(program, "scripts/console");

/**
 * The shell watches its stdin, which ends when `up` does, however that ends: then it kills its whole group. What is
 * built is put in its place when it is whole, so that nothing is lost by it.
 */
const watched = `exec 3<&0 </dev/null
{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-
exec "$0" --current`;

/** What npm and a build need: no key of Drover's, of a provider's or of the database. */
const buildEnv = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(PATH|HOME|LANG|TMPDIR|XDG_\w+|npm_config_\w+|(https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/i.test(
        name,
      ),
    ),
  );

/** Has `serve` hand out the console: what is there at once, and what is built as soon as it is. */
export function provideConsole({ files, script, built = builtConsole, say, log }: ConsoleBuildOptions): {
  stop(): Promise<void>;
} {
  publish(built, files.folder);
  rmSync(files.build_state, { force: true });
  if (script === null || !existsSync(script)) return { stop: async () => {} };

  setState("building");
  const child = spawn("/bin/sh", ["-c", watched, script], {
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
    env: buildEnv(),
  });
  const end = () => child.stdin?.end();
  child.stdin?.on("error", () => {});
  let why = "";
  let isBuilding = false;
  createInterface({ input: child.stderr }).on("line", (line) => {
    log("console", line);
    why = /^drover: (.+)/.exec(line)?.[1] ?? why;
    if (isBuilding || !/^drover: (installing|building)/.test(line)) return;
    isBuilding = true;
    say("the console is being built meanwhile, which takes about half a minute");
  });
  try {
    // What is waited for at a first start comes first.
    if (child.pid !== undefined) setPriority(child.pid, 10);
  } catch {
    // It has ended already.
  }
  const late = setTimeout(() => {
    log("console", `drover: it took more than ${limits.console_build_ms / 60_000} minutes`);
    why = "it took too long";
    end();
  }, limits.console_build_ms);
  let stopped = false;

  const ended = once(child, "close")
    .then(([code]) => {
      if (stopped) return;
      if (code === 0) return done();
      failed(why === "" ? `${script} ended with ${code}` : why);
    })
    .catch((error) => failed(error instanceof Error ? error.message : String(error)))
    .finally(() => {
      clearTimeout(late);
      end();
    });

  function setState(state: BuildState): void {
    writeFileSync(files.build_state, `${state}\n`, { mode: 0o644 });
  }
  function done(): void {
    if (isBuilding) publish(built, files.folder);
    rmSync(files.build_state, { force: true });
    if (isBuilding) say("the console is ready");
  }
  function failed(reason: string): void {
    setState("failed");
    const meanwhile = existsSync(join(files.folder, "index.html"))
      ? "the one of before is used"
      : "all else works without it";
    say(`the console could not be built: ${reason}; ${meanwhile}, and npm run console tries again`);
  }

  return {
    async stop() {
      stopped = true;
      end();
      await ended;
      rmSync(files.build_state, { force: true });
    },
  };
}

/** Puts a copy of the built console where `serve` looks for it, if that is elsewhere. */
function publish(built: string, folder: string): void {
  if (folder === built) return;
  const [next, before] = [`${folder}.next`, `${folder}.before`];
  for (const path of [next, before]) rmSync(path, { recursive: true, force: true });
  if (existsSync(built)) cpSync(built, next, { recursive: true });
  if (existsSync(folder)) renameSync(folder, before);
  if (existsSync(next)) renameSync(next, folder);
  rmSync(before, { recursive: true, force: true });
}
