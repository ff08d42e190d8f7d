import type { Enforced, Enforcement, LimitName } from "../driver.ts";
import type { SandboxSpec } from "../wire.ts";
import type { Cgroups, Controller } from "./cgroups.ts";

/** How bubblewrap holds sandboxes to their limits on this machine. `disk`: why their disk cannot be limited, if so. */
export function enforcementBy(cgroups: Cgroups | null, disk: string | null): Enforcement {
  const missing = "cgroups that Drover can write: start it as root, or give it a cgroup of its own";
  const group = (controller: Controller) =>
    cgroups?.limits(controller)
      ? ({ scope: "sandbox", by: `${cgroups.description}, ${controller}` } as const)
      : null;
  return {
    cpu: group("cpu") ?? { scope: "none", needs: missing },
    memory_bytes: group("memory") ?? { scope: "process", by: "rlimit", needs: missing },
    processes: group("pids") ?? { scope: "sandbox", by: "rlimit" },
    disk_bytes: diskEnforcement(disk),
  };
}

/** Of every driver whose sandboxes have their files in folders of the host. */
export const diskEnforcement = (disk: string | null): Enforced =>
  disk === null
    ? { scope: "sandbox", by: "a file system of its own, where it has a limit" }
    : { scope: "none", needs: disk };

const nouns: Record<LimitName, string> = {
  cpu: "processor time",
  memory_bytes: "memory",
  processes: "processes",
  disk_bytes: "disk space",
};

/** What of the spec cannot be done here. */
export async function refusalOf(
  spec: SandboxSpec,
  enforces: () => Promise<Enforcement>,
): Promise<string | null> {
  for (const name of spec.demanded) {
    const { [name]: enforced } = await enforces();
    if (enforced.scope !== "sandbox")
      return `the ${nouns[name]} of a sandbox as a whole cannot be limited here, without ${enforced.needs}`;
  }
  return null;
}
