import { type Namespace, Unavailable } from "../driver.ts";
import { findProgram } from "./bwrap.ts";
import type { User } from "./sandbox-folders.ts";

/** Folders that lie over each other, the topmost first, and are seen as one. */
export interface Overlay {
  at: string;
  lower: string[];
  /** Where what is changed goes. Without it, nothing can be. */
  changes?: { upper: string; work: string };
}

/**
 * How `argv` is started as that user in that network namespace, with `overlays` mounted where nobody else sees them.
 * Whoever joins and mounts needs capabilities for it: root gives them up with its user id, and an ordinary user, who has
 * them in a user namespace alone, with the program that it becomes.
 */
export function joining(
  network: Namespace | undefined,
  user: User,
  overlays: Overlay[],
  argv: string[],
): { command: string; args: string[]; user: User } {
  if (overlays.length === 0) return joiningNetwork(network, user, argv);
  const asRoot = process.getuid?.() === 0;
  const own = asRoot ? [] : ["--user", "--map-root-user"];
  const become =
    asRoot && user.uid !== undefined
      ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"]
      : [];
  const mounts = overlays.flatMap((overlay) => [overlay.at, optionsOf(overlay)]);
  return joiningNetwork(network, {}, [
    ...["unshare", ...own, "--mount", "--propagation", "private", "--"],
    ...["sh", "-c", mounting, "sh", String(overlays.length), ...mounts, ...become, ...argv],
  ]);
}

/** Mounts as many as it is told, and becomes the program after them. */
const mounting =
  'n=$1; shift; while [ "$n" -gt 0 ]; do mount -t overlay overlay -o "$2" "$1" || exit 1; shift 2; n=$((n - 1)); done; exec "$@"';

/** With `userxattr`, what an ordinary user's overlay has noted in a layer is understood by root's too. */
function optionsOf({ lower, changes }: Overlay): string {
  const path = (each: string) => each.replace(/[\\:]/g, "\\$&");
  const all = ["userxattr", `lowerdir=${lower.map(path).join(":")}`];
  if (changes) all.push(`upperdir=${path(changes.upper)}`, `workdir=${path(changes.work)}`);
  else all.push("ro");
  if ([...lower, changes?.upper ?? ""].some((each) => each.includes(",")))
    throw new Unavailable("the data directory must have no comma in its path, for layers of packages");
  return all.join(",");
}

function joiningNetwork(
  network: Namespace | undefined,
  user: User,
  argv: string[],
): { command: string; args: string[]; user: User } {
  const [command = "", ...args] = argv;
  if (!network) return { command, args, user };
  const nsenter = findProgram("nsenter");
  if (!nsenter) throw new Unavailable("nsenter is not installed; install the package `util-linux`");
  const become = user.uid === undefined ? [] : [`--setuid=${user.uid}`, `--setgid=${user.gid}`];
  const owner = network.user === null ? become : [`--user=${network.user}`, "--preserve-credentials"];
  return { command: nsenter, args: [`--net=${network.net}`, ...owner, "--", ...argv], user: {} };
}
