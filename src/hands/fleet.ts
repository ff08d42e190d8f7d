import { limits } from "../limits.ts";
import {
  anyChange,
  type ExecuteRequest,
  executeOnce,
  type Hands,
  type HostConnection,
  type SandboxOrigin,
  type SandboxScope,
  StaleEpoch,
  Undecided,
} from "./client.ts";
import { hasRoom, roomiest, type Seat } from "./room.ts";
import type { Checkpoint, ExecuteResult } from "./wire.ts";

/** Which host has the sandbox of a session. */
export interface Placement {
  host_id: string;
  /** Raised by each move. The sandbox's id holds it, so that two hosts never have the same one. */
  generation: number;
  /** The log's seq when it moved: what was begun up to there may have run on the host before. */
  moved_seq: number;
}

/** What a placement is judged by: only the brain that holds the session may write it. */
export interface PlacementLease {
  session_id: string;
  owner: number;
  epoch: number;
  /** As it was when the lease began. */
  placement: Placement | null;
}

/** A sandbox that its session has left behind on a host. */
export interface AbandonedSandbox {
  session_id: string;
  generation: number;
  /** Of a session that goes on elsewhere, what was kept of its workspace stays. */
  keep_checkpoints: boolean;
  /** As high as any that the host may have seen of the session. */
  epoch: number;
}

/** The one place where placements are decided. */
export interface Placements {
  /** The first one wins; null when the lease is no longer in force. */
  place(lease: PlacementLease, host_id: string): Promise<Placement | null>;
  /** Null when the lease is no longer in force, or the session is not where it was thought to be. */
  move(lease: PlacementLease, from: Placement, host_id: string): Promise<Placement | null>;
  abandonedOn(host_id: string, count: number): Promise<AbandonedSandbox[]>;
  freed(sandbox: AbandonedSandbox): Promise<void>;
}

/** All hosts together. */
export interface Fleet {
  /** What a brain asks for one session, for as long as its lease lasts. */
  handsOf(lease: PlacementLease): Hands;
  /** Removes what a session that has ended has there. False when its host cannot be reached. */
  remove(request: SandboxScope & { placement: Placement }): Promise<boolean>;
  close(): void;
}

export interface FleetOptions {
  hosts: readonly HostConnection[];
  placements: Placements;
  /** A host of which nothing was heard for so long is gone: its sessions go on elsewhere. */
  gone_ms: number;
  trouble(message: string, error: unknown): void;
}

export function createFleet({ hosts, placements, gone_ms, trouble }: FleetOptions): Fleet {
  const closed = new AbortController();
  const seats = new Map<HostConnection, Seat>(hosts.map((host) => [host, { facts: null, taken: 0 }]));
  const began_at = performance.now();

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

  const change = () => anyChange(hosts, Math.min(limits.hands_ping_ms, gone_ms));

  /** The host with most room, or why there is none. */
  async function choose(without: string | null): Promise<HostConnection | { none: string }> {
    const candidates = () => reachable().filter((host) => host.facts()?.host_id !== without);
    if (candidates().length === 0) return { none: "no sandbox host can be reached" };
    // What a host said some seconds ago is good enough, unless it sends somebody away.
    if (!candidates().some(hasRoom)) await Promise.all(candidates().map((host) => host.refresh()));
    const found = roomiest(candidates(), seats);
    if (found) return found;
    const full = candidates().map((host) => `${host.address} (${host.facts()?.sandboxes_in_use} in use)`);
    return { none: `all sandbox hosts are full: ${full.join(", ")}; try again later` };
  }

  const idOf = (host: HostConnection) => host.facts()?.host_id ?? "";

  function handsOf(lease: PlacementLease): Hands {
    /** As far as this lease knows. Null: it has none, or that could not be found out. */
    let known: Promise<Placement | null> = Promise.resolve(lease.placement);

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
        const host = await choose(null);
        if (!("none" in host)) return decideFrom(null, () => placements.place(lease, idOf(host)));
        if (reachable().length > 0 || performance.now() - since >= gone_ms) return host;
        if (signal.aborted) return { none: interrupted };
        await change();
        closed.signal.throwIfAborted();
      }
    }

    /** Waits for a host that cannot be reached. One that is gone is waited for only while no other one has room. */
    async function outlast(at: Placement): Promise<void> {
      const host = isGone(at.host_id) ? await choose(at.host_id) : { none: "it may come back" };
      if (!("none" in host)) await decideFrom(at, () => placements.move(lease, at, idOf(host)));
      else await change();
      closed.signal.throwIfAborted();
    }

    async function execute(request: ExecuteRequest, signal: AbortSignal): Promise<ExecuteResult> {
      const { begun_seq, ...asked } = request;
      const began = lease.placement;
      /** Where it may have begun to run. */
      let sent = began && begun_seq !== null && begun_seq > began.moved_seq ? began : null;
      for (;;) {
        const at = await place(signal);
        if ("none" in at) return { status: "unavailable", reason: at.none };
        if (sent && sent.generation !== at.generation)
          return { status: "lost", reason: lostWith(sent, hosts, gone_ms) };
        const host = hostOf(at.host_id);
        if (host) {
          const elsewhere = begun_seq !== null && begun_seq <= at.moved_seq;
          const sandbox_id = sandboxIdOf(request.sandbox_id, at);
          const if_never_seen = elsewhere ? "lost" : "run";
          const answer = await executeOnce(
            host,
            { ...asked, ...originAt(at, lease.session_id, request), sandbox_id, if_never_seen },
            signal,
          );
          if (typeof answer !== "string") return answer;
          if (answer === "unknown") sent = at;
        } else if (signal.aborted && sent === null) {
          return { status: "unavailable", reason: interrupted };
        } else {
          await outlast(at);
        }
      }
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
      async provision({ spec, restore_from, ...scope }) {
        if (reachable().length === 0) return;
        const at = await place(closed.signal);
        if ("none" in at) return;
        const origin = originAt(at, lease.session_id, { spec, restore_from });
        await tell(scope, (host, scope) => host.ask({ type: "provision", ...scope, ...origin }, "ok"));
      },
      execute,
      cancel: ({ call_id, ...scope }) =>
        tell(scope, (host, scope) => host.ask({ type: "cancel", ...scope, call_id }, "ok")),
      destroy: ({ keep_workspace, keep_checkpoints, ...scope }) =>
        tell(scope, (host, scope) =>
          host.ask({ type: "destroy", ...scope, keep_workspace, keep_checkpoints }, "ok"),
        ),
      checkpoints,
    };
  }

  /** All hosts share one storage, so any of them knows. */
  async function checkpoints({ session_id }: { session_id: string }): Promise<Checkpoint[]> {
    for (const host of reachable()) {
      const answer = await host.ask({ type: "checkpoints", session_id }, "checkpoints");
      if (typeof answer === "object") return answer.checkpoints;
    }
    throw new Error("no sandbox host can be reached");
  }

  /** Frees what sessions have left behind on the hosts that can be reached. */
  async function sweep(host: HostConnection): Promise<void> {
    const failures: unknown[] = [];
    for (const sandbox of await placements.abandonedOn(idOf(host), limits.abandoned_batch_max)) {
      const { session_id, epoch, keep_checkpoints } = sandbox;
      const sandbox_id = sandboxIdOf(sandboxOf(session_id), sandbox);
      const scope = { session_id, sandbox_id, epoch };
      try {
        const what = { keep_workspace: false, keep_checkpoints };
        const answer = await host.ask({ type: "destroy", ...scope, ...what }, "ok");
        if (typeof answer === "string") return;
        await placements.freed(sandbox);
      } catch (error) {
        // The session has a newer lease by now, and is at this host again: the next time knows of it.
        if (!(error instanceof StaleEpoch)) failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  const sweepAll = (some: readonly HostConnection[]) => {
    for (const host of some) {
      sweep(host).catch((error) => {
        if (!closed.signal.aborted)
          trouble(
            `sandboxes that were left behind at ${host.address} could not be removed; trying again`,
            error,
          );
      });
    }
  };
  const sweeping = setInterval(() => sweepAll(reachable()), limits.abandoned_sweep_ms);
  /** Instances that have been told. */
  const greeted = new Map<HostConnection, string>();
  const greet = (host: HostConnection) => {
    const instance = host.isUp() ? host.facts()?.instance_id : undefined;
    if (instance === undefined) {
      greeted.delete(host);
    } else if (greeted.get(host) !== instance) {
      greeted.set(host, instance);
      if (isTwin(host))
        trouble(
          `${host.address} says that it is ${idOf(host)}, as another host does: remove the file host-id of one of them`,
          null,
        );
      else sweepAll([host]);
    }
  };
  const forget = hosts.map((host) => host.onChange(() => greet(host)));
  for (const host of hosts) greet(host);

  return {
    handsOf,
    async remove({ placement, sandbox_id, ...scope }) {
      const host = hostOf(placement.host_id);
      const whole = { ...scope, sandbox_id: sandboxIdOf(sandbox_id, placement) };
      const what = { keep_workspace: false, keep_checkpoints: false };
      const answer = await host?.ask({ type: "destroy", ...whole, ...what }, "ok");
      return typeof answer === "object";
    },
    close() {
      closed.abort(new Error("the server is closing"));
      clearInterval(sweeping);
      for (const each of forget) each();
    },
  };
}

const interrupted = "it was interrupted before its sandbox host could be reached";

/** A session has one sandbox, whose name follows from its own. */
export const sandboxOf = (sessionId: string): string => sessionId.replace(/^sesn_/, "sbx_");

const sandboxIdOf = (sandbox_id: string, { generation }: Pick<Placement, "generation">): string =>
  generation === 0 ? sandbox_id : `${sandbox_id}-${generation}`;

/** Where a session comes to from another host, its workspace begins as it was kept last. */
function originAt(
  { generation }: Placement,
  session_id: string,
  { spec, restore_from }: SandboxOrigin,
): SandboxOrigin {
  const kept = generation === 0 ? null : { session_id, at: null };
  return { spec, restore_from: restore_from ?? kept };
}

function inForce(placement: Placement | null): Placement {
  if (placement) return placement;
  throw new StaleEpoch("another brain has taken the session over");
}

function lostWith({ host_id }: Placement, hosts: readonly HostConnection[], gone_ms: number): string {
  const host = hosts.find((each) => each.facts()?.host_id === host_id);
  const name = host ? `${host_id} (${host.address})` : host_id;
  return host?.hasLeft()
    ? `the sandbox host ${name} was shut down, and the session goes on at another one`
    : `the sandbox host ${name} was unreachable for ${Math.round(gone_ms / 1_000)} s, and the session goes on at another one`;
}
