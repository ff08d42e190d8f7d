import { z } from "zod";
import { limits } from "../limits.ts";
import { openNetwork } from "../net/egress-wire.ts";
import { packageManagers } from "../protocol/environments.ts";
import { networkUse } from "../protocol/network-use.ts";

/**
 * What a brain says to `hands` and hears back: one JSON object a line over a unix socket or TLS, many calls at a time,
 * told apart by `n`. Bytes travel as base64.
 *
 * An `execute` is known by `(sandbox_id, call_id)` and runs at most once, whoever asks and how often: asked again it
 * attaches to the running command, returns the kept result, or says that it was lost. A connection that ends stops
 * nothing; only `cancel` does.
 */

/** What a sandbox is made of and may use. A driver refuses what it cannot enforce. */
export const sandboxSpec = z.object({
  /** Null means the driver's own, such as the host's /usr, read-only. */
  image: z.string().nullable(),
  /** Installed once for all sandboxes of the host with the same image and packages. */
  packages: z.record(z.enum(packageManagers), z.array(z.string().regex(/^[^-\s]\S*$/))),
  /** Commands that are run once in each new workspace, by bash. */
  setup: z.array(z.string()),
  /** `none`: nothing but a loopback of its own. The others lead through the egress process alone. */
  network: z.discriminatedUnion("type", [z.object({ type: z.literal("none") }), openNetwork]),
  limits: z.object({
    /** Processor cores; null is no limit. */
    cpu: z.number().positive().nullable(),
    /** Processes and threads at once. */
    processes: z.int().positive(),
    /** Memory of the whole sandbox, in `bytes`, where cgroups are writable; of each process elsewhere. */
    memory_bytes: z.int().positive(),
    /** Workspace, home and outputs together, in `bytes`; null is no limit. */
    disk_bytes: z.int().positive().nullable(),
    /** Size of /tmp and of /dev/shm, each, in `bytes`. */
    tmp_bytes: z.int().positive(),
    /** Largest single file, in `bytes`. */
    file_bytes: z.int().positive(),
    /** What it may send and receive in all, in `bytes`; null is no limit. */
    network_bytes: z.int().positive().nullable(),
    /** Connections that lead out of it at once. */
    network_connections: z.int().positive(),
  }),
  /** What its programs use credentials by, and none of which is one; null where the session has none. */
  credentials: z
    .object({
      /** By which egress is told of the session's credentials. No program in the sandbox sees it. */
      pass: z.string().min(1).max(200),
      /** Of the authority that programs in the sandbox trust, in PEM. */
      certificate: z.string().max(10_000),
      /** What stands in the sandbox's environment for secrets, by the name of the variable. */
      placeholders: z.record(z.string(), z.string()),
    })
    .nullable(),
  /** Limits that the environment names itself. Where one cannot be enforced there is no sandbox; of the others, none is implied. */
  demanded: z.array(z.enum(["cpu", "processes", "memory_bytes", "disk_bytes"])),
});
export type SandboxSpec = z.infer<typeof sandboxSpec>;

export const operation = z.discriminatedUnion("type", [
  /** In the sandbox's one persistent bash: cwd, variables and background jobs live on. */
  z.object({ type: z.literal("shell"), command: z.string() }),
  /** Ends that bash and all it started; the next command gets a fresh one. */
  z.object({ type: z.literal("shell_restart") }),
  /** A process of its own, outside the persistent bash, with cwd /workspace. */
  z.object({ type: z.literal("exec"), argv: z.array(z.string()).min(1), stdin_base64: z.string() }),
  /** Keeps an output that was made elsewhere as those of commands are kept, under `keep_output_as`. */
  z.object({ type: z.literal("keep"), data_base64: z.string() }),
]);
export type Operation = z.infer<typeof operation>;

const sessionId = z.string().regex(/^sesn_[A-Za-z0-9_-]{1,100}$/);
const sandboxId = z.string().regex(/^sbx_[A-Za-z0-9_-]{1,100}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The folders of a sandbox under which a session mounts files: the host's own, which the sandbox sees read-only. */
export const mountRoots = {
  uploads: "/mnt/session/uploads",
  skills: "/mnt/skills",
} as const;

/** A file that the sandbox can read, and neither write nor replace. */
export const mount = z.object({
  /** As the sandbox sees it: absolute, beneath one of the roots. */
  path: z.string(),
  sha256,
  bytes: z.int().nonnegative(),
  executable: z.boolean(),
});
export type Mount = z.infer<typeof mount>;

/** All that a session mounts. A list of a higher version is newer. */
export const mountList = z.object({
  version: z.int().nonnegative(),
  mounts: z.array(mount).max(limits.mounts_max),
});
export type MountList = z.infer<typeof mountList>;

/** A workspace as it was after certain calls, kept in the storage. */
export const checkpoint = z.object({
  /** The sandbox that it was made of. */
  sandbox_id: sandboxId,
  /** Counts the checkpoints of that sandbox from 1; one that was restored into it has no number of its own. */
  n: z.int().positive(),
  /** The calls that had ended since the one before, the newest last; of very many only the newest. */
  after_calls: z.array(z.string()),
  /** It was overdue, and made while the sandbox was in use: calls after those may have changed some of it already. */
  in_use: z.boolean(),
  /** Of the host's clock, in ISO 8601. */
  made_at: z.string(),
  files: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});
export type Checkpoint = z.infer<typeof checkpoint>;

const broughtBack = z.object({
  /** Tells it from every other one. */
  id: z.string(),
  /** Null: there was none that could be read, and the workspace is empty. */
  checkpoint: checkpoint.nullable(),
  /** What is not as it was, by path: the first of them, and how many there are. */
  missing: z.array(z.object({ path: z.string(), why: z.string() })),
  missing_count: z.int().nonnegative(),
  /** Newer checkpoints than this one that could not be read. */
  skipped: z.int().nonnegative(),
});
export type BroughtBack = z.infer<typeof broughtBack>;

/** What became of a restore. */
export const restored = broughtBack.extend({
  /**
   * What became of those before, the first of them first, as far as nobody was known to have been told when the checkpoint
   * was made: what they lacked, it lacks.
   */
  untold: z.array(broughtBack).default([]),
});
export type Restored = z.infer<typeof restored>;

const outputsOf = { session_id: sessionId, sandbox_id: sandboxId };

/** Whose outputs. */
export interface OutputsOf {
  session_id: string;
  sandbox_id: string;
}

/** Clients are told of it as it is, and may write there what they download. */
const outputPath = z
  .string()
  .refine(
    (path) =>
      Buffer.byteLength(path) <= limits.outputs_path_bytes_max &&
      path.isWellFormed() &&
      !/\p{Cc}/u.test(path) &&
      path.split("/").every((name) => name !== "" && name !== "." && name !== ".."),
    "must lead to a place beneath the folder",
  );

/** What lies beneath the outputs folder of a sandbox and rests, be the sandbox running or not. */
export const outputsList = z.object({
  /** Another one whenever something of the list is. */
  state: z.string().max(100),
  files: z
    .array(
      z.object({
        /** Beneath the folder, with `/` between its parts. */
        path: outputPath,
        bytes: z.int().nonnegative().max(limits.file_bytes_max),
        /** Another one whenever what the file holds may be. */
        version: z.string().max(200),
        /** When it was written, by the sandbox's own account, in `ms`. A workspace that is brought back keeps it. */
        written_at_ms: z.int(),
      }),
    )
    .max(limits.outputs_files_max),
  /** What is no output, by path: the first of them, and how many there are. */
  left_out: z
    .array(
      z.object({
        path: z.string().max(limits.outputs_said_chars_max),
        why: z.string().max(limits.outputs_said_chars_max),
      }),
    )
    .max(limits.outputs_left_out_max),
  left_out_count: z.int().nonnegative(),
  /** Whether there is nothing else, which does not rest yet. */
  rest: z.boolean(),
});
export type OutputsList = z.infer<typeof outputsList>;
export type Output = OutputsList["files"][number];

const scope = {
  session_id: sessionId,
  sandbox_id: sandboxId,
  /** The asking brain's lease epoch. One lower than `hands` has seen for the session is refused. */
  epoch: z.int().nonnegative(),
};

const origin = {
  spec: sandboxSpec,
  /**
   * The session has had a workspace: where this host does not have the sandbox, it begins with the newest checkpoint that
   * can be read. False: it begins empty, and nothing is missed.
   */
  restore: z.boolean(),
  /**
   * The version of what the session mounts; 0 is nothing, ever. Where the sandbox has an older one, `needs_mounts` is the
   * answer, and nothing was done.
   */
  mounts: z.int().nonnegative(),
};

export const handsRequest = z.discriminatedUnion("type", [
  /** Who the host is and what room it has. Asked first, and then every few seconds: a host that is silent is left. */
  z.object({ type: z.literal("hello"), n: z.int() }),
  z.object({ type: z.literal("provision"), n: z.int(), ...scope, ...origin }),
  /**
   * Makes all that the spec asks for before its first command: packages, and the `setup` of a workspace that is new. It is
   * done once, whoever asks and how often; while it goes on, progress is told. Nobody need wait for it to come to its end:
   * only `cancel_set_up` ends it, and what is made for others too goes on for them.
   */
  z.object({ type: z.literal("set_up"), n: z.int(), ...scope, ...origin }),
  z.object({ type: z.literal("cancel_set_up"), n: z.int(), ...scope }),
  z.object({
    type: z.literal("execute"),
    n: z.int(),
    ...scope,
    call_id: z.string().min(1).max(200),
    ...origin,
    operation,
    /** The command is ended after this many `ms`. */
    timeout_ms: z.int().positive(),
    /** How much output is kept, in `bytes`: the first and the last half of it. */
    output_bytes: z.int().positive(),
    /** Where all of a longer output is kept: the name of its file, without folder and ending. Null: nowhere. */
    keep_output_as: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,100}$/)
      .nullable(),
    /** The restore that the session's log tells of last, if any. */
    restore_known: z.string().nullable(),
    /** What becomes of a call that this host has never seen. `lost`: another host may have run it. */
    if_never_seen: z.enum(["run", "lost"]),
  }),
  z.object({ type: z.literal("cancel"), n: z.int(), ...scope, call_id: z.string() }),
  /**
   * Ends the sandbox. With `keep_workspace` its files stay and the next call gets a fresh sandbox over them. Without
   * `keep_checkpoints` all that the storage has of the session goes, whatever sandbox it was made of.
   */
  z.object({
    type: z.literal("destroy"),
    n: z.int(),
    ...scope,
    keep_workspace: z.boolean(),
    keep_checkpoints: z.boolean(),
  }),
  /**
   * Gives another session, which has none, the newest checkpoint of this one's workspace in which no other calls have
   * ended than these. What has changed there and rests is kept first, where this host has it.
   */
  z.object({
    type: z.literal("copy_checkpoint"),
    n: z.int(),
    session_id: sessionId,
    to_session_id: sessionId,
    calls: z.array(z.string()),
  }),
  /** How a sandbox is, which nothing is done for. */
  z.object({ type: z.literal("sandbox_state"), n: z.int(), session_id: sessionId, sandbox_id: sandboxId }),
  /** Of which sandboxes the outputs are not those that were said to be taken last. */
  z.object({ type: z.literal("changed_outputs"), n: z.int() }),
  z.object({ type: z.literal("list_outputs"), n: z.int(), ...outputsOf }),
  /** Some of an output as it was listed. */
  z.object({
    type: z.literal("read_output"),
    n: z.int(),
    ...outputsOf,
    path: z.string(),
    version: z.string(),
    offset: z.int().nonnegative(),
    length: z.int().positive().max(limits.output_chunk_bytes),
  }),
  /** All that a list has told of needs no more looking at. */
  z.object({ type: z.literal("outputs_taken"), n: z.int(), ...outputsOf, state: z.string() }),
  /**
   * The whole list of what the sandbox is to have under the roots of mounts, be it there yet or not; one that is older than
   * what it has changes nothing. Where the host lacks contents it says which, and nothing is changed.
   */
  z.object({ type: z.literal("mount"), n: z.int(), ...scope, ...mountList.shape }),
  /**
   * A piece of a content of `bytes` in all, which is kept when all of it is there and is what its hash says. A piece that
   * does not begin where the host's part of it ends is passed over: the answer says where to go on, whoever else sends it.
   */
  z.object({
    type: z.literal("put_blob"),
    n: z.int(),
    sha256,
    bytes: z.int().nonnegative(),
    offset: z.int().nonnegative(),
    data_base64: z.string().max(4 * Math.ceil(limits.blob_piece_bytes / 3)),
  }),
]);
export type HandsRequest = z.infer<typeof handsRequest>;

/** An output in a file, as the sandbox sees it. */
export const keptOutput = z.object({
  path: z.string(),
  bytes: z.int().nonnegative(),
  /** False when the output was longer than a file may be. */
  complete: z.boolean(),
});
export type KeptOutput = z.infer<typeof keptOutput>;

/** The host has no room, and whether all that it has of the workspace is kept: then another one can go on with it. */
const full = z.object({ kept: z.boolean() }).optional();

export const executeResult = z.discriminatedUnion("status", [
  z.object({
    status: z.literal("finished"),
    /** Null when a signal ended it. */
    exit_code: z.int().nullable(),
    timed_out: z.boolean(),
    cancelled: z.boolean(),
    /** stdout and stderr as they came; of `exec`, stdout alone. */
    output_base64: z.string(),
    /** stderr of `exec`, at most 16 KiB; empty for `shell`. */
    stderr_base64: z.string(),
    /** `bytes` left out between the two halves of `output_base64`. */
    omitted_bytes: z.int().nonnegative(),
    /** Of `shell`: the two ends of what background jobs wrote since the command before, and what is missing there. */
    earlier_base64: z.string(),
    earlier_omitted_bytes: z.int().nonnegative(),
    /** Null when nothing was to be kept, or it could not be. */
    kept: keptOutput.nullable(),
    /** The sandbox or its shell was started anew for this call although an earlier call had used one. */
    fresh_shell: z.boolean(),
    /** Of the workspace, said by every call until one knows of it: the result of the first may have reached nobody. */
    restored: restored.nullable(),
    /** Of all that runs in the sandbox, since the result before this one; null when there is nothing to say. */
    network: networkUse.nullable(),
  }),
  /** It was started, and nobody can say how it ended. */
  z.object({ status: z.literal("lost"), reason: z.string() }),
  /** No sandbox could be made; nothing ran. */
  z.object({
    status: z.literal("unavailable"),
    reason: z.string(),
    full,
  }),
]);
export type ExecuteResult = z.infer<typeof executeResult>;

export const setUpResult = z.discriminatedUnion("status", [
  z.object({ status: z.literal("ready") }),
  /** It would fail again. The message says what has, and its last words. */
  z.object({ status: z.literal("failed"), message: z.string() }),
  /** No sandbox could be made. */
  z.object({ status: z.literal("unavailable"), reason: z.string(), full }),
]);
export type SetUpResult = z.infer<typeof setUpResult>;

/** What a host says of itself. */
export const hostFacts = z.object({
  /** Made once, at its first start, and kept with its workspaces. */
  host_id: z.string().regex(/^host_[A-Za-z0-9]{1,100}$/),
  /** Another one each time that it starts. */
  instance_id: z.string(),
  driver: z.string(),
  sandboxes_max: z.int().positive(),
  /** Sandboxes that run, and those of them that cannot be ended to make room. */
  sandboxes: z.int().nonnegative(),
  sandboxes_in_use: z.int().nonnegative(),
  /** Of the program; null where it does not say. */
  version: z.string().max(100).nullish(),
  /** Whether the egress process of the machine takes connections; null where that is not known. */
  egress: z.boolean().nullish(),
  /** The last checkpoint that it tried to make of a workspace failed. */
  checkpoints_failing: z.boolean(),
});
export type HostFacts = z.infer<typeof hostFacts>;

export const handsResponse = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), n: z.int(), ...hostFacts.shape }),
  z.object({ type: z.literal("ok"), n: z.int() }),
  z.object({ type: z.literal("result"), n: z.int(), result: executeResult }),
  /** Of `set_up`, any number of times before its answer: what is being done, as one line. */
  z.object({ type: z.literal("progress"), n: z.int(), text: z.string() }),
  z.object({ type: z.literal("set_up"), n: z.int(), result: setUpResult }),
  z.object({ type: z.literal("stale_epoch"), n: z.int(), seen: z.int() }),
  /** The sandbox lacks what the session mounts by now. Nothing was done: `mount`, and ask again. */
  z.object({ type: z.literal("needs_mounts"), n: z.int() }),
  /** What the host lacks of it, and how many `bytes` of each it has; nothing, and the sandbox has it all. */
  z.object({
    type: z.literal("mounted"),
    n: z.int(),
    missing: z.array(z.object({ sha256, received: z.int().nonnegative() })),
  }),
  /** How many `bytes` of it the host has now. */
  z.object({ type: z.literal("blob"), n: z.int(), received: z.int().nonnegative() }),
  /** The host ends. What was asked was not begun; with `n` -1 nothing was asked, and it says so to all. */
  z.object({ type: z.literal("leaving"), n: z.int() }),
  /** Said to all, with `n` -1: the outputs of a sandbox have changed. Who misses it learns of it by `changed_outputs`. */
  z.object({ type: z.literal("outputs_changed"), n: z.int(), ...outputsOf }),
  z.object({
    type: z.literal("changed_outputs"),
    n: z.int(),
    sandboxes: z.array(z.object(outputsOf)).max(limits.outputs_changed_max),
  }),
  /** `resting`: none runs, and a call would start one. `since`: of the host's clock, in ISO 8601. */
  z.object({
    type: z.literal("sandbox_state"),
    n: z.int(),
    state: z.enum(["starting", "running", "resting"]),
    since: z.string().max(40).nullable(),
  }),
  z.object({ type: z.literal("outputs"), n: z.int(), list: outputsList }),
  /** Null: there is no such output any more, or another one at its place. */
  z.object({ type: z.literal("output"), n: z.int(), data_base64: z.string().nullable() }),
  /** The request itself was wrong. Of `destroy` also: it failed, and is to be asked again. */
  z.object({ type: z.literal("error"), n: z.int(), message: z.string() }),
]);
export type HandsResponse = z.infer<typeof handsResponse>;
