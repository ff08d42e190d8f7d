import { join } from "node:path";
import type { Namespace } from "../driver.ts";
import { mountRoots, type SandboxSpec } from "../wire.ts";
import type { BwrapHere } from "./bwrap.ts";
import { inside } from "./root-filesystem.ts";
import type { SandboxFolder, User } from "./sandbox-folders.ts";
import type { TrustMount } from "./trust.ts";

/** What bwrap is told of a sandbox: what it is cut off from, what it sees of the disk, and as whom it begins. */

export const pipesInside = "/run/drover";
export const initInside = "/run/init";
export const toolResultsInside = "/mnt/session/tool_results";
export const outputsInside = "/mnt/session/outputs";

/** Descriptors of bwrap, beside the standard ones. */
export const descriptors = { status: 3, block: 4, seccomp: 5 } as const;

/** The folders of what the session mounts, and where the sandbox sees them. */
export const mountsOf = ({ mounts }: Pick<SandboxFolder, "mounts">): { source: string; inside: string }[] =>
  Object.entries(mountRoots).map(([name, inside]) => ({ source: join(mounts, name), inside }));

export function isolation({ way, disablesUserns }: BwrapHere, network: Namespace | undefined): string[] {
  const { status, block, seccomp } = descriptors;
  return [
    ...(way === "user" ? ["--unshare-user", "--uid", String(inside.uid), "--gid", String(inside.gid)] : []),
    ...(way === "user" && disablesUserns ? ["--disable-userns"] : []),
    ...(network ? [] : ["--unshare-net"]),
    ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
    ...["--hostname", "sandbox", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"],
    // For as long as `become` takes.
    ...(way === "root" ? ["SETUID", "SETGID", "SETPCAP"].flatMap((cap) => ["--cap-add", `CAP_${cap}`]) : []),
    ...["--json-status-fd", String(status), "--block-fd", String(block), "--seccomp", String(seccomp)],
  ];
}

/** What comes before the first program where it begins as root, so that it never runs as root. `setpriv`: how that is begun. */
export function become(setpriv: readonly string[], { uid, gid }: User): string[] {
  const nothing = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"];
  const user = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  // The signal is forgotten with the change of user.
  return [...setpriv, ...user, ...nothing, "--pdeathsig=KILL", "--"];
}

export function ownFilesystem(
  folder: SandboxFolder,
  { limits }: SandboxSpec,
  trusted: readonly TrustMount[],
  variables: Readonly<Record<string, string>>,
): string[] {
  const shared = ["--perms", "1777", "--size", String(limits.tmp_bytes), "--tmpfs"];
  return [
    // Its own folder has no size, and would hold as much as there is memory.
    ...["--dev", "/dev", "--remount-ro", "/dev", ...shared, "/dev/shm", ...shared, "/tmp"],
    ...["--ro-bind", folder.pipes, pipesInside],
    ...["--bind", folder.home, inside.home, "--bind", folder.workspace, "/workspace"],
    ...["--bind", folder.outputs, outputsInside],
    ...["--ro-bind", folder.tool_results, toolResultsInside],
    ...[...mountsOf(folder), ...trusted].flatMap(({ source, inside }) => ["--ro-bind", source, inside]),
    ...["--remount-ro", "/"],
    ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
}
