import { limits } from "../limits.ts";
import { freeAbandoned, idOf } from "./abandoned.ts";
import { createMounting, type MountSource, notKept } from "./bring-mounts.ts";
import {
  type Answer,
  anyChange,
  type ExecuteRequest,
  executeOnce,
  type Hands,
  type HostConnection,
  type SandboxOrigin,
  type SandboxScope,
  StaleEpoch,
  setUpOnce,
  Undecided,
} from "./client.ts";
import { type FoundOutputs, outputsAt, watchOutputs } from "./outputs/asking.ts";
import { type Placement, type PlacementLease, type Placements, sandboxIdOf, sandboxOf } from "./placement.ts";
import { hasRoom, roomiest, type Seat } from "./room.ts";
import { within } from "./until-stopped.ts";
import type { ExecuteResult, HandsRequest, SetUpResult } from "./wire.ts";

type CopyRequest = Omit<Extract<HandsRequest, { type: "copy_checkpoint" }>, "type" | "n">;

/** All hosts together. */
export interface Fleet {
  /** The ids of all hosts that have ever said who they are, and of those that can be reached now. */
  met(): string[];
  reachable(): string[];
  /** What a brain asks for one session, for as long as its lease lasts. */
  handsOf(lease: PlacementLease): Hands;
  /** Removes what a session that has ended has there, or in the storage alone. False when no such host can be reached. */
  remove(request: SandboxScope & { placement: Placement | null }): Promise<boolean>;
  /** Copies a checkpoint of a session that is there to another one. False when no host could do it. */
  copyCheckpoint(request: CopyRequest & { host_id: string | null }): Promise<boolean>;
  /** Tells of outputs that are to be taken, until the returned function is called: any number of times of the same. */
  watchOutputs(found: (outputs: FoundOutputs) => void): () => void;
  /** What a session has there; null when its host cannot be reached. */
  outputsOf(session_id: string, placement: Placement): FoundOutputs | null;
  /** How a session's sandbox is there; null when its host cannot be reached or does not say. */
  stateOf(session_id: string, placement: Placement): Promise<SandboxState | null>;
  /** The driver of a host that has ever said who it is. */
  driverOf(host_id: string): string | null;
  close(): void;
}

export type SandboxState = Pick<Answer<"sandbox_state">, "state" | "since">;

export interface FleetOptions {
  hosts: readonly HostConnection[];
  placements: Placements;
  mounts: MountSource;
  /** A host of which nothing was heard for so long is gone: its sessions go on elsewhere. */
  gone_ms: number;
  /** How long a call waits for room. */
  room_ms?: number;
  /** A host has said who it is for the first time. */
  onMet?(): void;
  trouble(message: string, error: unknown): void;
}

export function createFleet(options: FleetOptions): Fleet {
  const { hosts, placements, gone_ms, room_ms = limits.sandbox_room_wait_ms, trouble } = options;
  const closed = new AbortController();
  const mounting = createMounting({ source: options.mounts, trouble });
  const seats = new Map<HostConnection, Seat>(hosts.map((host) => [host, { facts: null, taken: 0 }]));
  const began_at = performance.now();
  /** Hosts of which it was said that this server does not know them. */
  const strange = new Set<string>();

  const reachable = () => hosts.filter((host) => host.isUp() && !isTwin(host));

  /** Two hosts with one id, such as after a copy of a data directory: which of them has a workspace cannot be said. */
  function isTwin(host: HostConnection): boolean {
    const facts = host.facts();
    return hosts.some((other) => {
      const theirs = other.facts();
      return other.isUp() && theirs?.host_id === facts?.host_id && theirs?.instance_id !== facts?.instance_id;
    });
  }

  const hostOf = (host_id: string) => reachable().find((host) => host.facts()?.host_id === host_id);

  function isGone(host_id: string): boolean {
    const known = hosts.filter((host) => host.facts()?.host_id === host_id);
    if (known.length === 0) return performance.now() - began_at >= gone_ms;
    return known.every((host) => host.hasLeft() || (!host.isUp() && host.unheard_ms() >= gone_ms));
  }

  /** No server has reached it lately, or this one would have left the session to that. */
  function sayStrange(host_id: string): void {
    if (strange.has(host_id) || hosts.some((host) => host.facts()?.host_id === host_id)) return;
    strange.add(host_id);
    trouble(
      `sessions leave the sandbox host ${host_id}, which this server has not met and no other has reached lately: if it is to come back, every server must name it in DROVER_HANDS_HOSTS`,
      null,
    );
  }

  const change = () => anyChange(hosts, Math.min(limits.hands_ping_ms, gone_ms));

  /** The host with most room, or why there is none. */
  async function choose(): Promise<HostConnection | { none: string }> {
    if (reachable().length === 0) return { none: "no sandbox host can be reached" };
    // What a host said some seconds ago is good enough, unless it sends somebody away.
    if (!reachable().some(hasRoom)) await Promise.all(reachable().map((host) => host.refresh()));
    const found = roomiest(reachable(), seats);
    if (found) return found;
    const in_use = reachable().reduce((sum, host) => sum + (host.facts()?.sandboxes_in_use ?? 0), 0);
    return { none: `all sandbox hosts are full, with ${in_use} sandboxes in use; try again later` };
  }

  function handsOf(lease: PlacementLease): Hands {
    /** As far as this lease knows. Null: it has none, or that could not be found out. */
    let known: Promise<Placement | null> = Promise.resolve(lease.placement);
    /** That go on, and those of them that wait for room. */
    let calls = 0;
    let waiting = 0;

    /** Calls that go on at once decide once. */
    async function decideFrom(
      before: Placement | null,
      decide: () => Promise<Placement | null>,
    ): Promise<Placement> {
      const asked = known;
      if ((await asked) === before && known === asked) known = decide().then(inForce);
      const deciding = known;
      try {
        return (await deciding) ?? decideFrom(before, decide);
      } catch (error) {
        if (known === deciding) known = Promise.resolve(before);
        throw error instanceof StaleEpoch
          ? error
          : new Undecided("where its sandbox is could not be decided", { cause: error });
      }
    }

    /** Where the session is, or why it cannot be anywhere. */
    async function place(signal: AbortSignal): Promise<Placement | { none: string }> {
      const since = performance.now();
      for (;;) {
        const placement = await known;
        if (placement) return placement;
        const host = await choose();
        if (!("none" in host)) return decideFrom(null, () => placements.place(lease, idOf(host)));
        if (performance.now() - since >= (reachable().length > 0 ? room_ms : gone_ms)) return host;
        if (signal.aborted) return { none: interrupted };
        await change();
        closed.signal.throwIfAborted();
      }
    }

    /** Waits for a host that cannot be reached. One that is gone is waited for only while no other one has room. */
    async function outlast(at: Placement): Promise<void> {
      const host = isGone(at.host_id) ? await choose() : { none: "it may come back" };
      // It may also have come back while the others said how full they are.
      if (!("none" in host) && isGone(at.host_id)) await move(at, host);
      else if (!hostOf(at.host_id)) await change();
      closed.signal.throwIfAborted();
    }

    function move(at: Placement, host: HostConnection): Promise<Placement> {
      sayStrange(at.host_id);
      return decideFrom(at, () => placements.move(lease, at, idOf(host)));
    }

    /**
     * Waits for room at the host that has the workspace. If all of that is kept and no other call has found room there,
     * another one that has room will do.
     */
    async function findRoom(at: Placement, { kept }: { kept: boolean }): Promise<void> {
      waiting += 1;
      const host = kept && waiting === calls ? await choose() : { none: "it has the workspace" };
      const isElsewhere = !("none" in host) && idOf(host) !== at.host_id && waiting === calls;
      await (isElsewhere ? move(at, host) : change()).finally(() => {
        waiting -= 1;
      });
      closed.signal.throwIfAborted();
    }

    async function counted<T>(work: Promise<T>): Promise<T> {
      calls += 1;
      return work.finally(() => {
        calls -= 1;
      });
    }

    async function insist(request: ExecuteRequest, signal: AbortSignal): Promise<ExecuteResult> {
      const since = performance.now();
      const { begun_seq, ...asked } = request;
      const began = lease.placement;
      let brought = 0;
      /** Somewhere, for all that is known. */
      let hasBegun = true;
      /** Where it may have begun to run. */
      let sent = began && begun_seq !== null && begun_seq > began.moved_seq ? began : null;
      for (;;) {
        const at = await place(signal);
        if ("none" in at) return { status: "unavailable", reason: at.none };
        if (sent && sent.generation !== at.generation)
          return { status: "lost", reason: lostWith(sent, hosts, gone_ms) };
        const host = hostOf(at.host_id);
        if (host) {
          const elsewhere = hasBegun && begun_seq !== null && begun_seq <= at.moved_seq;
          const sandbox_id = sandboxIdOf(request.sandbox_id, at);
          const if_never_seen = elsewhere ? "lost" : "run";
          const here = { ...asked, ...originAt(at, request), sandbox_id, if_never_seen } as const;
          const answer = await executeOnce(host, here, signal);
          if (answer === "unknown") sent = at;
          if (answer === "needs_mounts") {
            hasBegun = false;
            sent = null;
            const result = await mounting.bring(host, here, signal);
            if (typeof result === "object") return result;
            if (result === "brought") brought += 1;
            if (brought > limits.mount_rounds_max) return notKept;
            if (signal.aborted) return { status: "unavailable", reason: interrupted };
          }
          if (typeof answer === "string") continue;
          const full = answer.status === "unavailable" && answer.full;
          if (!full || signal.aborted || performance.now() - since >= room_ms) return answer;
          hasBegun = false;
          sent = null;
          await findRoom(at, full);
        } else if (signal.aborted && sent === null) {
          return { status: "unavailable", reason: interrupted };
        } else {
          await outlast(at);
        }
      }
    }

    /** What a host has begun is done again by the one that the session goes on at, and nothing is lost. */
    async function insistOnSetUp(
      { spec, restore, mounts, ...scope }: SandboxScope & SandboxOrigin,
      onProgress: (text: string) => void,
      signal: AbortSignal,
    ): Promise<SetUpResult> {
      let brought = 0;
      const since = performance.now();
      while (!signal.aborted) {
        const at = await place(signal);
        if ("none" in at) return { status: "unavailable", reason: at.none };
        const host = hostOf(at.host_id);
        if (!host) {
          await outlast(at);
          continue;
        }
        const sandbox_id = sandboxIdOf(scope.sandbox_id, at);
        const asked = { ...scope, sandbox_id, ...originAt(at, { spec, restore, mounts }) };
        const result = await setUpOnce(host, asked, onProgress, signal);
        if (result === "needs_mounts") {
          const end = await mounting.bring(host, asked, signal);
          if (typeof end === "object") return end;
          if (end === "brought") brought += 1;
          if (brought > limits.mount_rounds_max) return notKept;
        }
        if (typeof result === "string") continue;
        const full = result.status === "unavailable" && result.full;
        if (!full || performance.now() - since >= room_ms) return result;
        await findRoom(at, full);
      }
      return { status: "unavailable", reason: interrupted };
    }

    /** To the host that has the sandbox, if there is one and it can be reached. */
    async function tell(
      scope: SandboxScope,
      what: (host: HostConnection, scope: SandboxScope) => Promise<unknown>,
    ): Promise<void> {
      const at = await known;
      const host = at && hostOf(at.host_id);
      if (at && host) await what(host, { ...scope, sandbox_id: sandboxIdOf(scope.sandbox_id, at) });
    }

    return {
      async provision({ spec, restore, mounts, ...scope }) {
        if (reachable().length === 0) return;
        const at = await place(closed.signal);
        if ("none" in at) return;
        const origin = originAt(at, { spec, restore, mounts });
        await tell(scope, async (host, scope) => {
          const ask = () => host.ask({ type: "provision", ...scope, ...origin }, "ok");
          if ((await ask()) !== "needs_mounts") return;
          if ((await mounting.bring(host, { ...scope, ...origin }, closed.signal)) === "brought") await ask();
        });
      },
      setUp: (...asked) => counted(insistOnSetUp(...asked)),
      cancelSetUp: (scope) =>
        tell(scope, (host, scope) => host.ask({ type: "cancel_set_up", ...scope }, "ok")),
      execute: (...asked) => counted(insist(...asked)),
      cancel: ({ call_id, ...scope }) =>
        tell(scope, (host, scope) => host.ask({ type: "cancel", ...scope, call_id }, "ok")),
    };
  }

  const met = new Set<string>();
  function meet(host: HostConnection): void {
    const id = host.facts()?.host_id;
    if (id === undefined || met.has(id)) return;
    met.add(id);
    options.onMet?.();
  }
  for (const host of hosts) meet(host);
  const stopMeeting = hosts.map((host) => host.onChange(() => meet(host)));

  const stopFreeing = freeAbandoned({ hosts, reachable, isTwin, placements, trouble });

  return {
    met: () => [...met],
    reachable: () => reachable().map(idOf),
    handsOf,
    async copyCheckpoint({ host_id, ...request }) {
      const host = (host_id !== null && hostOf(host_id)) || reachable()[0];
      try {
        const answer = await host?.ask({ type: "copy_checkpoint", ...request }, "ok");
        return typeof answer === "object";
      } catch (error) {
        trouble(`the workspace of ${request.session_id} could not be copied`, error);
        return false;
      }
    },
    watchOutputs: (found) => watchOutputs({ hosts, reachable }, found),
    outputsOf(session_id, placement) {
      const host = hostOf(placement.host_id);
      const sandbox_id = sandboxIdOf(sandboxOf(session_id), placement);
      return host ? outputsAt(host, placement.host_id, { session_id, sandbox_id }) : null;
    },
    async stateOf(session_id, placement) {
      const host = hostOf(placement.host_id);
      const sandbox_id = sandboxIdOf(sandboxOf(session_id), placement);
      if (!host) return null;
      // One of an older version knows no such question.
      const asked = host
        .ask({ type: "sandbox_state", session_id, sandbox_id }, "sandbox_state")
        .catch(() => null);
      const answer = await within(limits.sandbox_state_ms, asked);
      return answer !== null && typeof answer === "object"
        ? { state: answer.state, since: answer.since }
        : null;
    },
    driverOf: (host_id) => hosts.find((host) => host.facts()?.host_id === host_id)?.facts()?.driver ?? null,
    async remove({ placement, sandbox_id, ...scope }) {
      const host = placement ? hostOf(placement.host_id) : reachable()[0];
      const whole = { ...scope, sandbox_id: sandboxIdOf(sandbox_id, placement ?? { generation: 0 }) };
      const what = { keep_workspace: false, keep_checkpoints: false };
      const answer = await host?.ask({ type: "destroy", ...whole, ...what }, "ok");
      return typeof answer === "object";
    },
    close() {
      closed.abort(new Error("the server is closing"));
      stopFreeing();
      for (const stop of stopMeeting) stop();
    },
  };
}

const interrupted = "it was interrupted before its sandbox host could be reached";

/** Where a session comes to from another host, its workspace begins as it was kept last. */
const originAt = ({ generation }: Placement, { spec, restore, mounts }: SandboxOrigin): SandboxOrigin => ({
  spec,
  mounts,
  restore: restore || generation > 0,
});

function inForce(placement: Placement | null): Placement {
  if (placement) return placement;
  throw new StaleEpoch("another brain has taken the session over");
}

/** Without addresses: agents and clients read it. */
function lostWith({ host_id }: Placement, hosts: readonly HostConnection[], gone_ms: number): string {
  const left = hosts.some((host) => host.facts()?.host_id === host_id && host.hasLeft());
  const why = left ? "was shut down" : `was unreachable for ${Math.round(gone_ms / 1_000)} s`;
  return `the sandbox host ${host_id} ${why}, and the session goes on at another one`;
}
