import { NoRoom, type Sandbox, type SetupLine, Unavailable } from "./driver.ts";
import { exec } from "./exec.ts";
import { describeFailure } from "./host-failure.ts";
import { createPool, type Origin, type PoolOptions, type Slot } from "./pool.ts";
import { fileFor, type RunOptions, startShell } from "./shell.ts";
import type { ExecuteResult, Operation } from "./wire.ts";

/** What is run in the sandboxes of this host. */
export interface Sandboxes {
  /** Begins to start it. Whether that worked shows in the first call. */
  prepare(id: string, origin: Origin): void;
  /**
   * Starts it, and says what is being done until it can be used. Throws `SetupFailed` or another `Unavailable`, as every
   * call does that needs the sandbox meanwhile; the next one tries again.
   */
  setUp(id: string, origin: Origin, onLine: (line: SetupLine) => void): Promise<void>;
  /** Ends what is being done until it can be used, and all of it that has begun; one that can be used goes on. */
  cancelSetUp(id: string): Promise<void>;
  /** Never throws: what fails before `started` is unavailable, what fails after it is lost. */
  execute(call: SandboxCall): Promise<ExecuteResult>;
  /** Ends it; commands that run in it are lost. */
  destroy(id: string, options: DestroyOptions): Promise<void>;
  /** Null: none runs. */
  stateOf(id: string): { state: "starting" | "running"; since: string } | null;
  /** How many run, and how many of them somebody uses. */
  count(): { running: number; in_use: number };
  close(): Promise<void>;
}

export interface DestroyOptions {
  keep_workspace: boolean;
  keep_checkpoints: boolean;
  session_id: string;
}

export interface SandboxCall extends RunOptions, Origin {
  id: string;
  call_id: string;
  restore_known: string | null;
  operation: Operation;
  /** Whether a call before this process began has used the sandbox's shell. */
  used_shell: boolean;
  /** Called when nothing but the command itself is left to do. */
  started(): Promise<void>;
}

export function createSandboxes(options: PoolOptions): Sandboxes {
  const pool = createPool(options);

  async function execute(asked: SandboxCall): Promise<ExecuteResult> {
    const refusal = unspeakable(asked.operation);
    if (refusal) return refusal;
    let started = false;
    let ended = () => {};
    const call: SandboxCall = {
      ...asked,
      async started() {
        await asked.started();
        const changed = options.checkpoints.began(asked.id, asked.session_id);
        const written = options.outputs.began(asked.id);
        ended = () => {
          changed(asked.call_id);
          written(() => pool.isBusy(slot));
        };
        started = true;
      },
    };
    const slot = pool.slotOf(call.id);
    slot.had_shell ??= call.used_shell;
    const release = pool.use(slot);
    try {
      const result = await perform(slot, call);
      if (result.status !== "finished") return result;
      return {
        ...result,
        restored: options.checkpoints.report(call.id, call.restore_known),
        network: options.network.tell(call.id),
      };
    } catch (error) {
      const reason = error instanceof Unavailable ? error.message : describeFailure(error);
      if (started) return { status: "lost", reason };
      const full = error instanceof NoRoom && { full: { kept: options.checkpoints.isKept(call.id) } };
      return { status: "unavailable", reason, ...full };
    } finally {
      release();
      ended();
    }
  }

  async function perform(slot: Slot, call: SandboxCall): Promise<ExecuteResult> {
    const { operation } = call;
    if (operation.type === "exec") return runExec(slot, call, operation);
    if (operation.type === "keep") return keep(slot, call, Buffer.from(operation.data_base64, "base64"));
    const { generation } = slot;
    // The sandbox comes up while the call waits for its turn.
    pool.up(slot, call).catch(() => {});
    return pool.inTurn(slot, async () => {
      if (call.signal.aborted) return cancelled;
      if (slot.generation !== generation)
        throw new Unavailable("the sandbox was destroyed before the command began");
      return operation.type === "shell" ? runShell(slot, call, operation.command) : restartShell(slot);
    });
  }

  /** Null for a call that was cancelled before: what a sandbox is made of may take minutes. */
  function upFor(slot: Slot, call: SandboxCall): Promise<Sandbox | null> {
    const { promise: cancelled, resolve } = Promise.withResolvers<null>();
    if (call.signal.aborted) resolve(null);
    call.signal.addEventListener("abort", () => resolve(null), { once: true });
    return Promise.race([pool.up(slot, call), cancelled]);
  }

  async function runShell(slot: Slot, call: SandboxCall, command: string): Promise<ExecuteResult> {
    const sandbox = await upFor(slot, call);
    if (!sandbox) return cancelled;
    const fresh = slot.shell === null && slot.had_shell === true;
    const shell = slot.shell ?? (await startShell(sandbox));
    slot.shell = shell;
    slot.had_shell = true;
    shell.exited.then(() => {
      if (slot.shell === shell) slot.shell = null;
    });
    await call.started();
    const result = await shell.run(command, call);
    if (result.status === "lost") return lost;
    const { output, earlier, ...rest } = result;
    const bytes = { output_base64: output.toString("base64"), earlier_base64: earlier.toString("base64") };
    return { ...rest, ...bytes, stderr_base64: "", fresh_shell: fresh, restored: null, network: null };
  }

  async function restartShell(slot: Slot): Promise<ExecuteResult> {
    await slot.shell?.end();
    slot.shell = null;
    slot.had_shell = false;
    return done;
  }

  async function runExec(
    slot: Slot,
    call: SandboxCall,
    { argv, stdin_base64 }: Extract<Operation, { type: "exec" }>,
  ): Promise<ExecuteResult> {
    const sandbox = await upFor(slot, call);
    if (!sandbox || call.signal.aborted) return cancelled;
    await call.started();
    const result = await exec(sandbox, argv, Buffer.from(stdin_base64, "base64"), call);
    if (result.status === "lost") return lost;
    const { output, stderr, ...rest } = result;
    const bytes = { output_base64: output.toString("base64"), stderr_base64: stderr.toString("base64") };
    return { ...done, ...rest, ...bytes };
  }

  async function keep(slot: Slot, call: SandboxCall, data: Buffer): Promise<ExecuteResult> {
    const sandbox = await upFor(slot, call);
    if (!sandbox) return cancelled;
    const file = fileFor(sandbox, call)?.();
    await call.started();
    file?.write(data);
    return { ...done, kept: (await file?.end()) ?? null };
  }

  return {
    prepare(id, origin) {
      const slot = pool.slotOf(id);
      if (slot.sandbox) return;
      const release = pool.use(slot);
      pool.up(slot, origin).then(release, release);
    },
    async setUp(id, origin, onLine) {
      const slot = pool.slotOf(id);
      slot.listeners.add(onLine);
      const release = pool.use(slot);
      try {
        await pool.up(slot, origin);
      } finally {
        slot.listeners.delete(onLine);
        release();
      }
    },
    cancelSetUp: pool.endStart,
    execute,
    async destroy(id, { keep_workspace, keep_checkpoints, session_id }) {
      const of = keep_checkpoints ? null : session_id;
      const remove = async () => {
        await options.outputs.forget(id);
        const removeFolders = () => options.mounts.forget(id, () => options.driver.forget(id));
        await options.checkpoints.forget(id, of, removeFolders);
        options.network.forget(id);
        options.setup.forget(id);
      };
      await pool.destroy(id, keep_workspace ? undefined : remove);
    },
    stateOf: pool.stateOf,
    count: pool.count,
    close: pool.close,
  };
}

const done: Extract<ExecuteResult, { status: "finished" }> = {
  status: "finished",
  exit_code: 0,
  timed_out: false,
  cancelled: false,
  output_base64: "",
  stderr_base64: "",
  omitted_bytes: 0,
  earlier_base64: "",
  earlier_omitted_bytes: 0,
  kept: null,
  fresh_shell: false,
  restored: null,
  network: null,
};
const cancelled: ExecuteResult = { ...done, exit_code: null, cancelled: true };
const lost: ExecuteResult = { status: "lost", reason: "the sandbox ended while the command ran" };

/** No program can be given a NUL byte in its arguments. */
function unspeakable(operation: Operation): ExecuteResult | null {
  const words =
    operation.type === "exec" ? operation.argv : operation.type === "shell" ? [operation.command] : [];
  if (!words.some((word) => word.includes("\0"))) return null;
  const said = Buffer.from("the command holds a NUL byte, which no program can be given\n").toString(
    "base64",
  );
  const where = operation.type === "exec" ? { stderr_base64: said } : { output_base64: said };
  return { ...done, exit_code: 2, ...where };
}
