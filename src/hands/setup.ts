import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { limits } from "../limits.ts";
import { type Sandbox, SetupFailed, type SetupLine, Unavailable } from "./driver.ts";
import { lastWords } from "./last-words.ts";
import { readSlowly } from "./read-slowly.ts";
import { untilStopped } from "./until-stopped.ts";

/**
 * The commands that an environment has run once in each new workspace. What is left of them is on the host's disk before
 * the workspace is, where nothing in the sandbox can change it.
 *
 * I1  A command that has ended with 0 is not run again in that workspace. One that failed, or whose end nobody saw, is run
 *     again when the sandbox is needed next, and then those after it.
 * I2  Nothing else runs in a sandbox whose workspace is not set up.
 */
export interface Setup {
  /** There will be a new workspace, for which they are to be run. */
  due(sandbox_id: string, commands: string[]): void;
  /** Runs what is left. Throws `SetupFailed`. */
  run(sandbox: Sandbox, options: SetupOptions): Promise<void>;
  /** The workspace is gone. */
  forget(sandbox_id: string): void;
}

export interface SetupOptions {
  onLine(line: SetupLine): void;
  signal: AbortSignal;
}

const noteShape = z.object({ left: z.array(z.string()) });

export function openSetup(data_dir: string, ms_max: number = limits.setup_command_ms_max): Setup {
  const folder = join(data_dir, "setup");
  const noteOf = (sandbox_id: string) => join(folder, `${sandbox_id}.json`);

  function read(sandbox_id: string): string[] {
    try {
      return noteShape.parse(JSON.parse(readFileSync(noteOf(sandbox_id), "utf8"))).left;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  function write(sandbox_id: string, left: string[]): void {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = noteOf(sandbox_id);
    if (left.length === 0) rmSync(path, { force: true });
    else {
      writeFileSync(`${path}.part`, JSON.stringify({ left }), { mode: 0o600, flush: true });
      renameSync(`${path}.part`, path);
    }
    toDisk(dirname(path));
  }

  return {
    due(sandbox_id, commands) {
      if (commands.length === 0) this.forget(sandbox_id);
      else write(sandbox_id, commands);
    },
    async run(sandbox, options) {
      for (let left = read(sandbox.id); left.length > 0; left = left.slice(1)) {
        const [command = "", ...others] = left;
        await runCommand(sandbox, command, { ...options, ms_max });
        write(sandbox.id, others);
      }
    },
    forget(sandbox_id) {
      rmSync(noteOf(sandbox_id), { force: true });
    },
  };
}

async function runCommand(
  sandbox: Sandbox,
  command: string,
  { onLine, signal, ms_max }: SetupOptions & { ms_max: number },
): Promise<void> {
  const stage = { type: "setup", command } as const;
  const process = await sandbox.spawn(["bash", "-c", oneStream, command], { control: false });
  const words = lastWords((line) => onLine({ stage, line }));
  readSlowly(process.stdout, words.write);
  process.stderr.resume();
  process.stdin.end();
  const end = await untilStopped(process.exited, { timeout_ms: ms_max, signal });
  if (end === 0) return;
  if (end === "cancelled") throw new Unavailable("nobody waits for the sandbox any more");
  const how =
    end === "timed_out"
      ? `took more than ${ms_max / 1_000} s`
      : end === null
        ? "ended with its sandbox"
        : `failed with exit code ${end}`;
  const said = words.said();
  throw new SetupFailed(
    stage,
    `the setup command of the environment \`${command.slice(0, shownChars)}\` ${how}${said === "" ? "" : `: ${said}`}`,
  );
}

/** Both streams of a command, in the order in which it writes. */
const oneStream = 'exec bash -c "$0" 2>&1';
const shownChars = 200;

function toDisk(folder: string): void {
  const fd = openSync(folder, "r");
  fsyncSync(fd);
  closeSync(fd);
}
