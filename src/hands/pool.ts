import type { Checkpoints } from "./checkpoints/checkpoints.ts";
import {
  type Driver,
  NoRoom,
  type PrepareOptions,
  type Sandbox,
  type SetupLine,
  Unavailable,
} from "./driver.ts";
import type { Mounts } from "./mounts/mounts.ts";
import type { Network } from "./network/network.ts";
import type { Outputs } from "./outputs/outputs.ts";
import type { Setup } from "./setup.ts";
import type { Shell } from "./shell.ts";
import type { SandboxSpec } from "./wire.ts";

/** Which sandboxes of this host run: started when first needed, ended when long unused or to make room. */
export interface Pool {
  /** Made where there is none. */
  slotOf(id: string): Slot;
  /** Somebody uses it until the returned function is called. */
  use(slot: Slot): () => void;
  /** The sandbox, which is begun where none runs. Throws `SetupFailed` or another `Unavailable`; the next one tries again. */
  up(slot: Slot, origin: Origin): Promise<Sandbox>;
  /** Whether anything runs in its sandbox that may write, as far as that can be said. */
  isBusy(slot: Slot): Promise<boolean>;
  /** After all that was asked for before. */
  inTurn<T>(slot: Slot, work: () => Promise<T>): Promise<T>;
  /** Ends what is being done until it can be used, and all of it that has begun; one that can be used goes on. */
  endStart(id: string): Promise<void>;
  /** Ends it. What waits for its turn in it hears of that by its generation. */
  destroy(id: string, remove?: () => Promise<void>): Promise<void>;
  /** Null: none runs. */
  stateOf(id: string): { state: "starting" | "running"; since: string } | null;
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

export interface PoolOptions {
  driver: Driver;
  checkpoints: Checkpoints;
  outputs: Outputs;
  network: Network;
  mounts: Pick<Mounts, "forget">;
  setup: Setup;
  count_max: number;
  idle_ms: number;
  idle_with_jobs_ms: number;
}

/** The place of a sandbox, be it there or not. */
export interface Slot {
  id: string;
  sandbox: Promise<Sandbox> | null;
  /** It cannot be used yet. */
  starting: boolean;
  /** When it was begun to be started, and when it could be used: `ms` since 1970. */
  began_at: number;
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

export function createPool(options: PoolOptions): Pool {
  const slots = new Map<string, Slot>();
  /** The ones that there was room for. */
  const admitted = new WeakSet<Promise<Sandbox>>();
  let admission: Promise<unknown> = Promise.resolve();
  let closed = false;

  function slotOf(id: string): Slot {
    const found = slots.get(id);
    if (found) return found;
    const state = {
      sandbox: null,
      starting: false,
      began_at: 0,
      shell: null,
      had_shell: null,
      ending: null,
      idle: null,
    };
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
    slot.began_at = Date.now();
    const gone = () => {
      if (slot.sandbox !== starting) return;
      slot.sandbox = null;
      slot.starting = false;
      slot.shell = null;
    };
    starting.then(async (sandbox) => {
      if (slot.sandbox === starting) {
        slot.starting = false;
        slot.began_at = Date.now();
      }
      options.checkpoints.lives(slot.id, origin.session_id);
      options.outputs.lives(slot.id, origin.session_id);
      await sandbox.ended;
      gone();
      options.checkpoints.ceased(slot.id, origin.session_id);
      options.outputs.ceased(slot.id);
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
        const sandbox = {
          session_id,
          sandbox_id: name,
          spec: { ...spec, network, limits, credentials: null },
        };
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

  /** Asked while no call runs, so that none waits for the answer for long. */
  async function isBusy(slot: Slot): Promise<boolean> {
    if (slot.calls > 0) return true;
    return inTurn(slot, async () => slot.sandbox !== null && ((await slot.shell?.hasJobs()) ?? true));
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

  return {
    slotOf,
    use(slot) {
      wake(slot);
      slot.calls += 1;
      return () => {
        slot.calls -= 1;
        rest(slot);
      };
    },
    up,
    isBusy,
    inTurn,
    stateOf(id) {
      const slot = slots.get(id);
      if (!slot?.sandbox) return null;
      const since = new Date(slot.began_at).toISOString();
      return { state: slot.starting ? "starting" : "running", since };
    },
    async endStart(id) {
      const slot = slots.get(id);
      if (slot?.starting) await end(slot);
    },
    async destroy(id, remove) {
      const slot = slotOf(id);
      slot.generation += 1;
      await end(slot, remove);
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
