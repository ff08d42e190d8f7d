import type { Config } from "../config.ts";
import { vaultPlaces } from "../net/vault-places.ts";
import { countExposure, type Exposure } from "../resources/credentials/exposure.ts";
import { type Finding, warn } from "./finding.ts";
import { askDatabase } from "./known-database.ts";
import { answersLocally, vaultSocketOf } from "./machine.ts";

const name = "vaults";

/** Whether sandboxes come by the credentials of their sessions, and how far those may go. */
export async function examineCredentials(config: Config): Promise<Finding[]> {
  const places = vaultPlaces(vaultSocketOf(config));
  const answers = await Promise.all(places.map(answersLocally));
  const exposure = await askDatabase(config, countExposure);
  return [...farHosts(config, { exposure, has_serve: answers.includes(true) }), ...unlimited(exposure)];
}

interface About {
  /** Null where the database cannot be asked. */
  exposure: Exposure | null;
  /** Whether a serve of this machine answers what egress asks. */
  has_serve: boolean;
}

export function farHosts(
  { hands, egress_link }: Pick<Config, "hands" | "egress_link">,
  { exposure, has_serve }: About,
): Finding[] {
  // With certificates and no hosts to speak to, this machine is one of those hosts.
  const isHost = hands.tls !== null && hands.hosts.length === 0;
  if (isHost && egress_link.upstream.length === 0 && !has_serve)
    return [
      warn(
        name,
        "sessions with credentials reach nothing over TLS from this host: name an egress beside a server in DROVER_EGRESS_UPSTREAM",
      ),
    ];
  if (hands.hosts.length === 0 || egress_link.listen !== null || exposure?.sessions === 0) return [];
  const who =
    exposure === null ? "sessions with credentials" : `${exposure.sessions} sessions with credentials`;
  return [
    warn(
      name,
      `${who} may be on sandbox hosts, and no egress is set here that takes their connections: set DROVER_EGRESS_LISTEN on the machine of a server, or see that another machine has it`,
    ),
  ];
}

export function unlimited(exposure: Exposure | null): Finding[] {
  const count = exposure?.unlimited ?? 0;
  if (count === 0) return [];
  const what = count === 1 ? "1 variable of a vault" : `${count} variables of vaults`;
  return [
    warn(
      name,
      `${what} may go to every host, in sessions whose environment lets every host through: name allowed_hosts in the credential, or limit the environment's networking`,
    ),
  ];
}
