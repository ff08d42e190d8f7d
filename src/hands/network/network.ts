import { rmSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../limits.ts";
import type { NetworkUse } from "../../protocol/network-use.ts";
import { type Attachment, Unavailable } from "../driver.ts";
import { type Bwrap, findBwrap } from "../drivers/bwrap.ts";
import type { SandboxSpec } from "../wire.ts";
import { createCarrier } from "./carry.ts";
import { createEgress } from "./egress.ts";
import { listen } from "./listen.ts";
import { type Meter, openMeter } from "./meter.ts";
import { makeSlot, namespaceOf, newNamespace } from "./slot.ts";
import { createSlots } from "./slots.ts";

/**
 * The way out of this host's sandboxes. Each has a network namespace of its own with nothing in it but a loopback. What
 * its programs connect to there is carried to the egress process, which judges it; all else leads nowhere.
 */
export interface Network {
  /** Null when the sandbox has no network. Throws `Unavailable`. */
  attach(sandbox: { session_id: string; sandbox_id: string; spec: SandboxSpec }): Promise<Attachment | null>;
  /** What the sandbox has used, and was refused, since it was last told. */
  tell(sandbox_id: string): NetworkUse | null;
  /** The sandbox and its workspace are gone. */
  forget(sandbox_id: string): void;
  close(): Promise<void>;
}

export interface NetworkOptions {
  /** The egress process's. It need not be there. */
  egress_socket: string;
  data_dir: string;
  egress_wait_ms?: number;
}

export const noNetwork: Network = {
  async attach({ spec }) {
    if (spec.network.type === "none") return null;
    throw new Unavailable("sandboxes of this host have no network");
  },
  tell: () => null,
  forget() {},
  async close() {},
};

export function createNetwork({ egress_socket, data_dir, egress_wait_ms }: NetworkOptions): Network {
  const meters = new Map<string, Meter>();
  const slots = createSlots({ make: slotMaker() });
  const egress = createEgress({
    socket_path: egress_socket,
    onRefused: ({ sandbox_id, host, port, reason }) =>
      meters.get(sandbox_id)?.refused({
        host: host.slice(0, limits.network_refused_host_chars_max),
        port,
        reason: reason.slice(0, limits.network_refused_reason_chars_max),
      }),
    wait_ms: egress_wait_ms,
  });
  const meterFile = (sandbox_id: string) => join(data_dir, "network", `${sandbox_id}.json`);

  return {
    async attach({ session_id, sandbox_id, spec }) {
      const { network, credentials } = spec;
      if (network.type === "none") return null;
      let slot = await slots.take();
      const meter = openMeter({
        path: meterFile(sandbox_id),
        bytes_max: spec.limits.network_bytes,
        connections_max: spec.limits.network_connections,
      });
      const carrier = createCarrier({
        egress,
        meter,
        line: { session_id, sandbox_id, network, pass: credentials?.pass ?? null },
      });
      meters.set(sandbox_id, meter);
      listen(slot, carrier);
      return {
        namespace: {
          ...slot.namespace,
          async listenIn(pid) {
            const own = await makeSlot(namespaceOf(pid), { inBackground: false });
            slot.close();
            slot = own;
            listen(own, carrier);
          },
        },
        joined: () => slot.release(),
        close() {
          slot.close();
          carrier.close();
          meter.close();
          if (meters.get(sandbox_id) === meter) meters.delete(sandbox_id);
        },
      };
    },
    tell: (sandbox_id) => meters.get(sandbox_id)?.tell() ?? null,
    forget: (sandbox_id) => rmSync(meterFile(sandbox_id), { force: true }),
    async close() {
      egress.close();
      await slots.close();
    },
  };
}

/** Null when a network for a sandbox can be prepared on this machine, else why not. */
export async function checkSlots(): Promise<string | null> {
  try {
    (await slotMaker()({ inBackground: false })).close();
    return null;
  } catch (error) {
    if (error instanceof Unavailable) return error.message;
    throw error;
  }
}

function slotMaker(): Parameters<typeof createSlots>[0]["make"] {
  let found: Bwrap | null = null;
  return async (options) => {
    found ??= await findBwrap();
    return makeSlot(newNamespace(found.path), options);
  };
}
