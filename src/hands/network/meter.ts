import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { limits } from "../../limits.ts";
import type { RefusedLine } from "../../net/egress-wire.ts";
import { type NetworkUse, networkUse } from "../../protocol/network-use.ts";

/** What one sandbox has used of the network, whatever process of the host it was under. */
export interface Meter {
  count(used: Partial<Traffic>): void;
  refused(refusal: Pick<RefusedLine, "host" | "port" | "reason">): void;
  /** Why it may not have another connection beside those that are open; null when it may. */
  refusal(open: number): string | null;
  /** Whether one is worth a refusal in words, so many being open. */
  admits(open: number): boolean;
  /** It has used all the bytes that it may. */
  isUsedUp(): boolean;
  /** What nobody was told of yet, and will not be told of again; null when there is nothing. */
  tell(): NetworkUse | null;
  /** Writes down what has changed. What fails is tried again with the next change. */
  close(): void;
}

export interface MeterOptions {
  /** It is kept here; what cannot be read counts as nothing. */
  path: string;
  /** Both ways together, in `bytes`; null is no limit. */
  bytes_max: number | null;
  connections_max: number;
}

const traffic = z.object({
  connections: z.int().nonnegative(),
  bytes_sent: z.int().nonnegative(),
  bytes_received: z.int().nonnegative(),
});
type Traffic = z.infer<typeof traffic>;

const kept = z.object({ total: traffic, untold: networkUse });

const noTraffic: Traffic = { connections: 0, bytes_sent: 0, bytes_received: 0 };
const nothing = (): NetworkUse => ({ ...noTraffic, refused: [], refused_more: 0 });

export function openMeter({ path, bytes_max, connections_max }: MeterOptions): Meter {
  let { total, untold } = read(path);
  let saving: NodeJS.Timeout | null = null;

  function changed(): void {
    saving ??= setTimeout(save, limits.network_meter_save_ms).unref();
  }

  function save(): void {
    if (saving) clearTimeout(saving);
    saving = null;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.new`, JSON.stringify({ total, untold }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch {
      // The counts go on in memory.
    }
  }

  const isUsedUp = () => bytes_max !== null && total.bytes_sent + total.bytes_received >= bytes_max;

  return {
    count(used) {
      total = sum(total, used);
      untold = { ...untold, ...sum(untold, used) };
      changed();
    },
    refused({ host, port, reason }) {
      const same = untold.refused.find(
        (each) => each.host === host && each.port === port && each.reason === reason,
      );
      if (same) same.count += 1;
      else if (untold.refused.length >= limits.network_refused_told_max) untold.refused_more += 1;
      else untold.refused.push({ host, port, reason, count: 1 });
      changed();
    },
    refusal(open) {
      if (isUsedUp() && bytes_max !== null)
        return `this session has used the ${megabytes(bytes_max)} MB of network traffic that it may; the administrator of the server sets how much that is (sandboxes.network.bytes_max_mb)`;
      if (open > connections_max)
        return `this sandbox has as many connections open as it may, ${connections_max}; the administrator of the server sets how many that are (sandboxes.network.connections_max)`;
      return null;
    },
    admits: (open) => open < connections_max + limits.network_refused_open_max,
    isUsedUp,
    tell() {
      const { connections, bytes_sent, bytes_received, refused } = untold;
      if (connections + bytes_sent + bytes_received + refused.length === 0) return null;
      const told = untold;
      untold = nothing();
      changed();
      return told;
    },
    close() {
      if (saving) save();
    },
  };
}

const sum = (one: Traffic, other: Partial<Traffic>): Traffic => ({
  connections: one.connections + (other.connections ?? 0),
  bytes_sent: one.bytes_sent + (other.bytes_sent ?? 0),
  bytes_received: one.bytes_received + (other.bytes_received ?? 0),
});

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

function read(path: string): z.infer<typeof kept> {
  try {
    return kept.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return { total: noTraffic, untold: nothing() };
  }
}
