import type { NetworkUse } from "../protocol/network-use.ts";

/** Of the steps of one call together; undefined when none has used it. */
export const networkOf = (steps: readonly NetworkUse[]): NetworkUse | undefined =>
  steps.length === 0 ? undefined : steps.reduce(sum);

const sum = (one: NetworkUse, other: NetworkUse): NetworkUse => ({
  connections: one.connections + other.connections,
  bytes_sent: one.bytes_sent + other.bytes_sent,
  bytes_received: one.bytes_received + other.bytes_received,
  refused: [...one.refused, ...other.refused],
  refused_more: one.refused_more + other.refused_more,
});
