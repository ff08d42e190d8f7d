import type { Checkpoints } from "./checkpoints/checkpoints.ts";
import {
  type Driver,
  NoRoom,
  type PrepareOptions,
  type Sandbox,
  type SetupLine,
  Unavailable,
} from "./driver.ts";
import { exec } from "./exec.ts";
import { describeFailure } from "./host-failure.ts";
import type { Network } from "./network/network.ts";
import type { Setup } from "./setup.ts";
import { fileFor, type RunOptions, type Shell, startShell } from "./shell.ts";
import type { ExecuteResult, Operation, SandboxSpec } from "./wire.ts";

/** The sandboxes of this host: started when first needed, ended when long unused, their workspaces kept. */
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
  /** How many run, and how many of them somebody uses. */
  count(): { running: number; in_use: number };
  close(): Promise<void>;
}

/** What a sandbox is made of where there is none. */
export interface Origin {
  session_id: string;
  spec: SandboxSpec;
  /** From the newest checkpoint of the session. */
  restore: boolean;
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

export interface SandboxesOptions {
  driver: Driver;
  checkpoints: Checkpoints;
  network: Network;
  setup: Setup;
  count_max: number;
  idle_ms: number;
  idle_with_jobs_ms: number;
}

interface Slot {
  id: string;
  sandbox: Promise<Sandbox> | null;
  /** It cannot be used yet. */
  starting: boolean;
  /** Ends the wait for what the sandbox is made of. */
  preparing: AbortController;
  /** Who hears of it. */
  listeners: Set<(line: SetupLine) => void>;
  shell: Shell | null;
  /** A shell that was started for an earlier call, be it gone. Null until a call has told. */
  had_shell: boolean | null;
  /** Shell calls wait for one another here. */
  queue: Promise<unknown>;
  /** Calls that run or wait. */
  calls: number;
  /** Rises when the sandbox is destroyed: what waited before is not run. */
  generation: number;
  ending: Promise<void> | null;
  idle: NodeJS.Timeout | null;
  idle_since: number;
}

export function createSandboxes(options: SandboxesOptions): Sandboxes {
  const slots = new Map<string, Slot>();
  /** The ones that there was room for. */
  const admitted = new WeakSet<Promise<Sandbox>>();
  let admission: Promise<unknown> = Promise.resolve();
  let closed = false;

  function slotOf(id: string): Slot {
    const found = slots.get(id);
    if (found) return found;
    const state = { sandbox: null, starting: false, shell: null, had_shell: null, ending: null, idle: null };
    const setup = { preparing: new AbortController(), listeners: new Set<(line: SetupLine) => void>() };
    const slot: Slot = {
      id,
      ...state,
      ...setup,
      queue: Promise.resolve(),
      calls: 0,
      generation: 0,
      idle_since: 0,
    };
    slots.set(id, slot);
    return slot;
  }

  function up(slot: Slot, origin: Origin): Promise<Sandbox> {
    if (slot.sandbox) return slot.sandbox;
    const preparing = preparation(slot, origin);
    const starting = start(slot, origin, { preparing, admit: () => admitted.add(starting) });
    slot.sandbox = starting;
    slot.starting = true;
    const gone = () => {
      if (slot.sandbox !== starting) return;
      slot.sandbox = null;
      slot.starting = false;
      slot.shell = null;
    };
    starting.then(async (sandbox) => {
      if (slot.sandbox === starting) slot.starting = false;
      options.checkpoints.lives(slot.id, origin.session_id);
      await sandbox.ended;
      gone();
      options.checkpoints.ceased(slot.id, origin.session_id);
    }, gone);
    return starting;
  }

  async function start(
    slot: Slot,
    origin: Origin,
    { preparing, admit }: { preparing: PrepareOptions; admit(): void },
  ): Promise<Sandbox> {
    if (closed) throw new Unavailable("the sandbox host is shutting down");
    await slot.ending;
    // One after the other, so that no newcomer counts another that finds no room.
    const turn = admission.then(makeRoom).then(admit);
    admission = turn.catch(() => {});
    await turn;
    if (options.driver.keptFolders(slot.id) === null) options.setup.due(slot.id, origin.spec.setup);
    await options.checkpoints.fill(slot.id, origin.restore ? origin.session_id : null, origin.spec);
    // What was brought back was set up where it comes from.
    if (options.checkpoints.report(slot.id, null)?.checkpoint) options.setup.forget(slot.id);
    await options.driver.prepare(origin.spec, preparing);
    const sandbox = await provision(slot.id, origin);
    try {
      await options.setup.run(sandbox, preparing);
      return sandbox;
    } catch (error) {
      await sandbox.destroy();
      throw error;
    }
  }

  function preparation(slot: Slot, { session_id, spec }: Origin): PrepareOptions {
    slot.preparing = new AbortController();
    return {
      signal: slot.preparing.signal,
      onLine(line) {
        for (const hear of slot.listeners) hear(line);
      },
      async attach(name, network) {
        // What it carries is for many sandboxes, and is not counted as this one's.
        const limits = { ...spec.limits, network_bytes: null };
        const sandbox = { session_id, sandbox_id: name, spec: { ...spec, network, limits } };
        const way = await options.network.attach(sandbox);
        if (!way) return null;
        const close = () => {
          way.close();
          options.network.forget(name);
        };
        return { ...way, close };
      },
    };
  }

  async function provision(sandbox_id: string, { session_id, spec }: Origin): Promise<Sandbox> {
    const way = await options.network.attach({ session_id, sandbox_id, spec });
    try {
      const sandbox = await options.driver.provision(sandbox_id, spec, way?.namespace);
      way?.joined();
      sandbox.ended.then(() => way?.close());
      return sandbox;
    } catch (error) {
      way?.close();
      throw error;
    }
  }

  /** Ends the sandboxes that were unused for longest, if there are too many with one more. */
  async function makeRoom(): Promise<void> {
    const running = [...slots.values()].filter((slot) => slot.sandbox !== null && admitted.has(slot.sandbox));
    let excess = running.length + 1 - options.count_max;
    const unused = running.filter((slot) => slot.idle !== null).sort((a, b) => a.idle_since - b.idle_since);
    for (const slot of unused) {
      // A slot that somebody uses by now may wait in its queue for room, and so for this.
      if (excess > 0 && slot.idle !== null && (await reclaim(slot, { with_jobs: false }))) excess -= 1;
    }
    if (excess > 0) {
      throw new NoRoom(`all ${options.count_max} sandboxes of this host are in use; try again later`);
    }
  }

  function inTurn<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
    const turn = slot.queue.then(work);
    slot.queue = turn.catch(() => {});
    return turn;
  }

  /** Whether the sandbox is gone. It is not when somebody came to use it. */
  async function reclaim(slot: Slot, { with_jobs }: { with_jobs: boolean }): Promise<boolean> {
    return inTurn(slot, async () => {
      if (!with_jobs && (await slot.shell?.hasJobs())) return false;
      if (slot.calls > 0) return false;
      await end(slot);
      if (slot.calls === 0) slots.delete(slot.id);
      return true;
    });
  }

  /** Whoever else ends it waits for that too, so that nothing is removed under a sandbox that has not ended yet. */
  async function end(slot: Slot, remove = async () => {}): Promise<void> {
    const { sandbox, ending: before } = slot;
    wake(slot);
    slot.preparing.abort();
    slot.sandbox = null;
    slot.starting = false;
    slot.shell = null;
    slot.ending = (async () => {
      await before;
      await (await sandbox?.catch(() => null))?.destroy();
      await remove();
    })();
    await settleEnding(slot);
  }

  /** What fails once is tried again by the next who comes, and does not fail them beforehand. */
  async function settleEnding(slot: Slot): Promise<void> {
    const { ending } = slot;
    try {
      await ending;
    } finally {
      if (slot.ending === ending) slot.ending = null;
    }
  }

  function rest(slot: Slot, since = Date.now()): void {
    if (slot.calls > 0 || slot.idle || closed) return;
    slot.idle_since = since;
    slot.idle = setTimeout(async () => {
      slot.idle = null;
      const unused_ms = Date.now() - since;
      const with_jobs = unused_ms >= options.idle_with_jobs_ms;
      const ended = await reclaim(slot, { with_jobs }).catch(() => false);
      if (!ended) rest(slot, since);
    }, options.idle_ms);
  }

  function wake(slot: Slot): void {
    if (slot.idle) clearTimeout(slot.idle);
    slot.idle = null;
  }

  async function execute(asked: SandboxCall): Promise<ExecuteResult> {
    const refusal = unspeakable(asked.operation);
    if (refusal) return refusal;
    let started = false;
    let ended = (_call_id: string) => {};
    const call: SandboxCall = {
      ...asked,
      async started() {
        await asked.started();
        ended = options.checkpoints.began(asked.id, asked.session_id);
        started = true;
      },
    };
    const slot = slotOf(call.id);
    slot.had_shell ??= call.used_shell;
    wake(slot);
    slot.calls += 1;
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
      ended(call.call_id);
      slot.calls -= 1;
      rest(slot);
    }
  }

  async function perform(slot: Slot, call: SandboxCall): Promise<ExecuteResult> {
    const { operation } = call;
    if (operation.type === "exec") return runExec(slot, call, operation);
    if (operation.type === "keep") return keep(slot, call, Buffer.from(operation.data_base64, "base64"));
    const { generation } = slot;
    // The sandbox comes up while the call waits for its turn.
    up(slot, call).catch(() => {});
    return inTurn(slot, async () => {
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
    return Promise.race([up(slot, call), cancelled]);
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
      const slot = slotOf(id);
      if (slot.sandbox) return;
      up(slot, origin).then(
        () => rest(slot),
        () => rest(slot),
      );
    },
    async setUp(id, origin, onLine) {
      const slot = slotOf(id);
      slot.listeners.add(onLine);
      wake(slot);
      slot.calls += 1;
      try {
        await up(slot, origin);
      } finally {
        slot.listeners.delete(onLine);
        slot.calls -= 1;
        rest(slot);
      }
    },
    async cancelSetUp(id) {
      const slot = slots.get(id);
      if (slot?.starting) await end(slot);
    },
    execute,
    async destroy(id, { keep_workspace, keep_checkpoints, session_id }) {
      const slot = slotOf(id);
      const of = keep_checkpoints ? null : session_id;
      const remove = async () => {
        await options.checkpoints.forget(id, of, () => options.driver.forget(id));
        options.network.forget(id);
        options.setup.forget(id);
      };
      slot.generation += 1;
      await end(slot, keep_workspace ? undefined : remove);
      if (slot.calls > 0 || slots.get(id) !== slot || slot.sandbox) return;
      // The call that ended with the sandbox has begun the wait of an unused one.
      wake(slot);
      slots.delete(id);
    },
    count() {
      const running = [...slots.values()].filter((slot) => slot.sandbox !== null);
      return { running: running.length, in_use: running.filter((slot) => slot.idle === null).length };
    },
    async close() {
      closed = true;
      await Promise.all([...slots.values()].map((slot) => (slot.sandbox ? end(slot) : wake(slot))));
    },
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
