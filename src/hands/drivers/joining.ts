import { type Namespace, Unavailable } from "../driver.ts";
import { findProgram } from "./bwrap.ts";
import type { User } from "./sandbox-folders.ts";

/**
 * How `argv` is started as that user in that network namespace. Whoever joins one needs capabilities there: root gives
 * them up with its user id, and an ordinary user, who has them in the user namespace alone, with the program that it
 * becomes.
 */
export function joining(
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
