import { limits } from "../limits.ts";
import { type HostConnection, StaleEpoch } from "./client.ts";
import { type Placements, sandboxIdOf, sandboxOf } from "./placement.ts";

export const idOf = (host: HostConnection): string => host.facts()?.host_id ?? "";

export interface FreeingParts {
  hosts: readonly HostConnection[];
  reachable(): HostConnection[];
  isTwin(host: HostConnection): boolean;
  placements: Pick<Placements, "abandonedOn" | "freed">;
  trouble(message: string, error: unknown): void;
}

/**
 * Frees what sessions have left behind on hosts: on each as soon as it can be reached again, and now and then. Until the
 * returned function is called.
 */
export function freeAbandoned({ hosts, reachable, isTwin, placements, trouble }: FreeingParts): () => void {
  let stopped = false;
  /** Instances that have been told. */
  const greeted = new Map<HostConnection, string>();

  async function free(host: HostConnection): Promise<void> {
    const failures: unknown[] = [];
    for (const sandbox of await placements.abandonedOn(idOf(host), limits.abandoned_batch_max)) {
      const { session_id, epoch, keep_checkpoints } = sandbox;
      const sandbox_id = sandboxIdOf(sandboxOf(session_id), sandbox);
      const what = { keep_workspace: false, keep_checkpoints };
      try {
        const answer = await host.ask({ type: "destroy", session_id, sandbox_id, epoch, ...what }, "ok");
        if (typeof answer === "string") return;
        await placements.freed(sandbox);
      } catch (error) {
        // The session has a newer lease by now, and is at this host again: the next time knows of it.
        if (!(error instanceof StaleEpoch)) failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  function freeOn(host: HostConnection): void {
    free(host).catch((error) => {
      if (stopped) return;
      const what = `sandboxes that were left behind at ${host.address} could not be removed; trying again`;
      trouble(what, error);
    });
  }

  function greet(host: HostConnection): void {
    const instance = host.isUp() ? host.facts()?.instance_id : undefined;
    if (instance === undefined) greeted.delete(host);
    else if (greeted.get(host) !== instance) {
      greeted.set(host, instance);
      if (isTwin(host)) trouble(sayTwin(host), null);
      else freeOn(host);
    }
  }

  const sweeping = setInterval(() => reachable().forEach(freeOn), limits.abandoned_sweep_ms);
  const forget = hosts.map((host) => host.onChange(() => greet(host)));
  for (const host of hosts) greet(host);
  return () => {
    stopped = true;
    clearInterval(sweeping);
    for (const each of forget) each();
  };
}

const sayTwin = (host: HostConnection): string =>
  `${host.address} says that it is ${idOf(host)}, as another host does: remove the file host-id of one of them`;
