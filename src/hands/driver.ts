import type { Readable, Writable } from "node:stream";
import type { PackageManager } from "../protocol/environments.ts";
import type { KeptOutput, SandboxSpec } from "./wire.ts";

/** Makes sandboxes of one kind. What it cannot enforce of a spec it refuses, with the reason; it never ignores it. */
export interface Driver {
  readonly name: string;
  /** Null when this machine can run it, else what to change. */
  check(): Promise<string | null>;
  /** What its sandboxes are, in a few words for people. */
  describe(): Promise<string>;
  /** How the limits of a spec hold here. Of those that do not, one that is demanded means that there is no sandbox. */
  enforces(): Promise<Enforcement>;
  /**
   * Makes what sandboxes of such a spec share and this host does not have yet, its packages, which may take many minutes.
   * Whoever asks for what is being made waits for it. Throws `SetupFailed`, and `Unavailable`.
   */
  prepare(spec: SandboxSpec, options: PrepareOptions): Promise<void>;
  /**
   * Starts a sandbox over the workspace folder of `id`, which outlives it. Throws `Unavailable` when it cannot. It joins
   * `network` and has no other one, nor any capability over it; without one it is alone with a loopback.
   */
  provision(id: string, spec: SandboxSpec, network?: Namespace): Promise<Sandbox>;
  /** Removes the workspace of a sandbox that no longer runs, and what was mounted. */
  forget(id: string): Promise<void>;
  /** What outlives the sandbox `id`; null when this host has nothing of it. */
  keptFolders(id: string): KeptFolder[] | null;
  /** What is in them can be read until the returned function is called. */
  hold(id: string): Promise<() => void>;
  /**
   * The folder of this host from which the sandbox `id` sees what its session mounts, in one for each of `mountRoots`: what
   * changes there it sees at once, and can change nothing of it. Neither it nor the sandbox need be there yet.
   */
  mounts(id: string): string;
  /** Begins a workspace for `id`, of which this host has nothing. */
  stage(id: string, spec: SandboxSpec): Promise<Staging>;
  /** When no sandbox runs any more. */
  close(): Promise<void>;
}

export interface PrepareOptions {
  onLine(line: SetupLine): void;
  /** Ends the wait, and with the last who waits what is being made. */
  signal: AbortSignal;
  /** A network for what is to be made, known as `name`, that leads where `network` allows. */
  attach(name: string, network: SandboxSpec["network"]): Promise<Attachment | null>;
}

/** A namespace that is listened in until it is closed. */
export interface Attachment {
  namespace: Namespace;
  /** Nobody else joins it. */
  joined(): void;
  close(): void;
}

/**
 * A network namespace, in which this host listens on the loopback and nothing else is. Paths, good for this process and
 * its children until the sandbox is up.
 */
export interface Namespace {
  net: string;
  /** The user namespace that it belongs to. Null: this process's own, which is root's. */
  user: string | null;
  /** For a sandbox that comes with a namespace of its own: listens in that of its process `pid` instead, as root. */
  listenIn(pid: number): Promise<void>;
}

export type LimitName = SandboxSpec["demanded"][number];

export type Enforcement = Record<LimitName, Enforced>;

/**
 * Whether a limit holds for the sandbox as a whole, for each of its processes, or not at all, and what it would need.
 * `ends`: what goes beyond it ends the sandbox, not one of its processes.
 */
export type Enforced =
  | { scope: "sandbox"; by: string; ends?: true }
  | { scope: "process"; by: string; needs: string }
  | { scope: "none"; needs: string };

/** A folder on the host's disk. */
export interface KeptFolder {
  /** The same on every host. */
  name: string;
  path: string;
  /** As the sandbox sees it. */
  inside: string;
  /** Whose everything in it is. Null: whom this process runs as. */
  owner: { uid: number; gid: number } | null;
}

/** A workspace that no sandbox can reach yet. One that is left behind is no workspace. */
export interface Staging {
  path: string;
  folders: KeptFolder[];
  /** Takes its place, as a whole. */
  commit(): void;
  discard(): Promise<void>;
}

export interface Sandbox {
  readonly id: string;
  /** Resolves when the sandbox is gone, for whatever reason. */
  readonly ended: Promise<void>;
  /**
   * Starts a process in it, with cwd /workspace. `control` is file descriptor 3 inside, on which a shell reports to
   * its host. Throws when the sandbox is gone.
   */
  spawn(argv: string[], options: { control: boolean }): Promise<SandboxProcess>;
  /**
   * Begins a file in /mnt/session/tool_results, which the sandbox can read, and neither write nor replace. It is there
   * for as long as the workspace, unless it is the oldest of too many. Never throws.
   */
  keepOutput(name: string): OutputFile;
  /** Ends every process in it. */
  destroy(): Promise<void>;
}

export interface OutputFile {
  /** What is more than the file may hold is left out, and what goes wrong shows in its end. */
  write(chunk: Buffer): void;
  /** Resolves when it is on disk. Null when it could not be kept. */
  end(): Promise<KeptOutput | null>;
}

export interface SandboxProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly control: Readable | null;
  /**
   * The exit code as a shell would say it (128 and the signal's number for a signal); null when the sandbox ended with
   * it. Its streams end with it, after all that it wrote, though something it started may hold them open.
   */
  readonly exited: Promise<number | null>;
  /**
   * Signals the process and everything it started, except the processes in `spare` (pids as seen inside). Resolves
   * when the signals are sent.
   */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL", spare?: number[]): Promise<void>;
}

export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

/** What an environment asks for could not be installed or set up. `message` holds the last words of what failed. */
export class SetupFailed extends Unavailable {
  /** What failed: the packages of a manager, or one of the environment's `setup` commands. */
  readonly stage: SetupStage;

  constructor(stage: SetupStage, message: string) {
    super(message);
    this.stage = stage;
  }
}

export type SetupStage = { type: "packages"; manager: PackageManager } | { type: "setup"; command: string };

/** What is being done for a sandbox before it can begin, line by line. */
export interface SetupLine {
  stage: SetupStage;
  /** What a program says; without control characters. */
  line: string;
}

/** The host runs as many sandboxes as it may, and none of them can be ended. */
export class NoRoom extends Unavailable {}
