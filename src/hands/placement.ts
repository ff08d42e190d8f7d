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

/** A session has one sandbox, whose name follows from its own. */
export const sandboxOf = (sessionId: string): string => sessionId.replace(/^sesn_/, "sbx_");

/** The generation of which a session has this sandbox; null when it is not one of its. */
export function generationOf(session_id: string, sandbox_id: string): number | null {
  const first = sandboxOf(session_id);
  if (sandbox_id === first) return 0;
  const generation = Number(sandbox_id.slice(first.length + 1));
  return generation > 0 && sandboxIdOf(first, { generation }) === sandbox_id ? generation : null;
}

/** The id of the sandbox that a placement stands for. */
export const sandboxIdOf = (sandbox_id: string, { generation }: Pick<Placement, "generation">): string =>
  generation === 0 ? sandbox_id : `${sandbox_id}-${generation}`;
