import { z } from "zod";

/**
 * What a brain says to `hands` and hears back: one JSON object a line over a stream socket, many calls at a time,
 * told apart by `n`. Bytes travel as base64.
 *
 * An `execute` is known by `(sandbox_id, call_id)` and runs at most once, whoever asks and how often: asked again it
 * attaches to the running command, returns the kept result, or says that it was lost. A connection that ends stops
 * nothing; only `cancel` does.
 */

/** What a sandbox is made of and may use. A driver refuses what it cannot enforce. */
export const sandboxSpec = z.object({
  /** Null means the host's own /usr, read-only. */
  image: z.string().nullable(),
  network: z.object({ type: z.literal("none") }),
  limits: z.object({
    /** Processes and threads at once. */
    processes: z.int().positive(),
    /** Memory of the whole sandbox, in `bytes`, where cgroups are writable; of each process elsewhere. */
    memory_bytes: z.int().positive(),
    /** Size of /tmp and of /dev/shm, each, in `bytes`. */
    tmp_bytes: z.int().positive(),
    /** Largest single file, in `bytes`. */
    file_bytes: z.int().positive(),
  }),
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

const scope = {
  session_id: z.string().regex(/^sesn_[A-Za-z0-9_-]{1,100}$/),
  sandbox_id: z.string().regex(/^sbx_[A-Za-z0-9_-]{1,100}$/),
  /** The asking brain's lease epoch. One lower than `hands` has seen for the session is refused. */
  epoch: z.int().nonnegative(),
};

export const handsRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("provision"), n: z.int(), ...scope, spec: sandboxSpec }),
  z.object({
    type: z.literal("execute"),
    n: z.int(),
    ...scope,
    call_id: z.string().min(1).max(200),
    spec: sandboxSpec,
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
  }),
  z.object({ type: z.literal("cancel"), n: z.int(), ...scope, call_id: z.string() }),
  /** Ends the sandbox. With `keep_workspace` its files stay and the next call gets a fresh sandbox over them. */
  z.object({ type: z.literal("destroy"), n: z.int(), ...scope, keep_workspace: z.boolean() }),
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
  }),
  /** It was started, and nobody can say how it ended. */
  z.object({ status: z.literal("lost"), reason: z.string() }),
  /** No sandbox could be made; nothing ran. */
  z.object({ status: z.literal("unavailable"), reason: z.string() }),
]);
export type ExecuteResult = z.infer<typeof executeResult>;

export const handsResponse = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ok"), n: z.int() }),
  z.object({ type: z.literal("result"), n: z.int(), result: executeResult }),
  z.object({ type: z.literal("stale_epoch"), n: z.int(), seen: z.int() }),
  /** The request itself was wrong. Of `destroy` also: it failed, and is to be asked again. */
  z.object({ type: z.literal("error"), n: z.int(), message: z.string() }),
]);
export type HandsResponse = z.infer<typeof handsResponse>;
