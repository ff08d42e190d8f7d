import type { Group } from "./attempt.ts";
import { exhaustion } from "./attempts/exhaustion.ts";
import { files } from "./attempts/files.ts";
import { handsSocket } from "./attempts/hands.ts";
import { mounted } from "./attempts/mounted.ts";
import { cloud, dns, sockets } from "./attempts/network.ts";
import { others } from "./attempts/others.ts";
import { floods, terminals } from "./attempts/output.ts";
import { mounts, namespaces, privileges, signals, systemCalls } from "./attempts/privileges.ts";
import { devices, proc } from "./attempts/proc.ts";
import { races } from "./attempts/races.ts";

/** All that is tried, by technique. */
export const battery: readonly Group[] = [
  ...[files, mounted, races, proc, devices, mounts, namespaces, privileges, signals, systemCalls],
  ...[sockets, cloud, dns, others, exhaustion, floods, terminals, handsSocket],
];
