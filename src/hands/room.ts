import type { HostConnection } from "./client.ts";
import type { HostFacts } from "./wire.ts";

/** What this process has placed on a host since it last said how full it is. */
export interface Seat {
  facts: HostFacts | null;
  taken: number;
}

/** Whether it runs one more, if need be by ending a sandbox that nobody uses. */
export function hasRoom(host: Pick<HostConnection, "facts">): boolean {
  const facts = host.facts();
  return facts !== null && facts.sandboxes_in_use < facts.sandboxes_max;
}

/** The host with most free room; among full ones that which ends idle sandboxes for it. Takes a seat on it. */
export function roomiest(
  hosts: readonly HostConnection[],
  seats: Map<HostConnection, Seat>,
): HostConnection | null {
  const scored = hosts.filter(hasRoom).flatMap((host) => {
    const facts = host.facts();
    if (!facts) return [];
    const before = seats.get(host);
    const seat = before?.facts === facts ? before : { facts, taken: 0 };
    seats.set(host, seat);
    const free = facts.sandboxes_max - facts.sandboxes - seat.taken;
    const endable = facts.sandboxes - facts.sandboxes_in_use;
    return [{ host, seat, free, room: free + endable }];
  });
  const [best] = scored.toSorted((a, b) => (a.free > 0 || b.free > 0 ? b.free - a.free : b.room - a.room));
  if (!best) return null;
  best.seat.taken += 1;
  return best.host;
}
