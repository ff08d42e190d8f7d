import { spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import { lastWords } from "../hands/last-words.ts";
import { limits } from "../limits.ts";

export interface GitOptions {
  /** The repository that it works on; none for what asks a server alone. */
  folder?: string;
  /** What this command is told beside what all are: by its environment, where no other user sees it. */
  config?: readonly (readonly [name: string, value: string])[];
  /** What is never repeated of what it says. */
  secrets?: readonly string[];
  signal: AbortSignal;
  onLine?(line: string): void;
}

export interface GitResult {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  /** The end of what it said, without secrets. */
  said: string;
}

/** Git cannot be started here. */
export class NoGit extends Error {
  override readonly name = "NoGit";
}

/** Older ones do not keep to the address that they are given (`http.curloptResolve`). */
const oldest = { major: 2, minor: 37 };

/** What is wrong with a git that calls itself so; null if nothing is. */
export function tooOld(version: string): string | null {
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return null;
  return `${version.trim()} is too old for repositories: install ${oldest.major}.${oldest.minor} or newer`;
}

/**
 * Runs git on what strangers have made. It hears of nothing but its arguments and these settings: neither the machine's
 * configuration nor helpers, hooks and proxies; it asks nobody, follows nobody elsewhere, writes no file larger than a
 * repository may be, and takes no more memory than it may, whatever sizes a pack claims. Abort ends it with all that it has
 * started.
 */
export function runGit(args: readonly string[], options: GitOptions): Promise<GitResult> {
  const { folder, config = [], secrets = [], signal, onLine = () => {} } = options;
  const settings = [...always, ...config];
  const hide = (text: string) => secrets.reduce((rest, secret) => rest.replaceAll(secret, "[hidden]"), text);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn("/bin/sh", ["-c", `${bounded} && exec git "$@"`, "git", ...args], {
      cwd: folder ?? "/",
      env: {
        PATH: process.env.PATH,
        HOME: "/nonexistent",
        LC_ALL: "C",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_TERMINAL_PROMPT: "0",
        GIT_ASKPASS: "",
        ...(folder === undefined ? { GIT_DIR: "/nonexistent" } : { GIT_DIR: folder }),
        GIT_CONFIG_COUNT: String(settings.length),
        ...Object.fromEntries(
          settings.flatMap(([name, value], i) => [
            [`GIT_CONFIG_KEY_${i}`, name],
            [`GIT_CONFIG_VALUE_${i}`, value],
          ]),
        ),
      },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: what speaks with the server is a child of git.
      detached: true,
    });
    const kill = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    };
    const text = new StringDecoder("utf8");
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += text.write(chunk);
      if (stdout.length > limits.git_answer_chars_max) kill();
    });
    const words = lastWords((line) => onLine(hide(line)));
    child.stderr.on("data", (chunk: Buffer) => words.write(chunk));
    signal.addEventListener("abort", kill, { once: true });
    const timer = setTimeout(kill, limits.git_ms_max);
    child.on("error", (error) => reject(new NoGit(`git cannot be started: ${error.message}`)));
    child.on("close", (code) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
      if (signal.aborted) reject(signal.reason);
      else if (code === 127) reject(new NoGit("git is not installed where the server runs"));
      else resolve({ code, stdout: stdout + text.end(), said: hide(words.said()) });
    });
  });
}

// Sizes of files in blocks of 512 bytes, memory in KiB. A dump of its memory would have the token in it.
const bounded = [
  "ulimit -c 0",
  `{ ulimit -v ${limits.git_memory_bytes_max / 1_024} 2> /dev/null || :; }`,
  `ulimit -f ${Math.floor(limits.repository_bytes_max / 512)}`,
].join(" && ");

const always = [
  ["protocol.allow", "never"],
  ["protocol.https.allow", "always"],
  ["credential.helper", ""],
  ["core.hooksPath", "/dev/null"],
  ["core.fsync", "all"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  // One pack for each fetch: nothing that comes in is written as a file of its own.
  ["fetch.unpackLimit", "1"],
  // What is mapped counts as memory, and each thread takes some.
  ["core.packedGitWindowSize", "64m"],
  ["core.packedGitLimit", "1g"],
  ["pack.threads", "4"],
  ["http.followRedirects", "false"],
  ["http.proxy", ""],
  ["http.sslVerify", "true"],
  ["http.lowSpeedLimit", String(limits.git_slow_bytes_per_second)],
  ["http.lowSpeedTime", String(limits.git_slow_ms_max / 1_000)],
  ["transfer.fsckObjects", "true"],
  // Slips of old programs, which many repositories have in their history and which harm nobody.
  ...[
    "badTimezone",
    "missingSpaceBeforeDate",
    "missingNameBeforeEmail",
    "missingEmail",
    "zeroPaddedFilemode",
    "missingTaggerEntry",
    "badDateOverflow",
  ].map((slip) => [`fetch.fsck.${slip}`, "ignore"] as const),
] as const;
