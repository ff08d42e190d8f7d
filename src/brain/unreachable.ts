import { packageHosts } from "../egress/package-hosts.ts";
import { isOneOf, judge } from "../egress/policy.ts";
import type { AnyDraft } from "../log/entry.ts";
import type { Lease } from "../log/lease.ts";
import type { OpenNetwork } from "../net/egress-wire.ts";
import { type Pen, writer } from "./pen.ts";
import type { Queued, Thread } from "./state.ts";

/** A credential for hosts that the session's environment does not let through. */
export interface UnreachableCredential {
  credential_id: string;
  vault_id: string;
  name: string;
  hosts: string[];
}

/** Those of a session's. Of all names under one it is enough that one of them can be reached. */
export function unreachableCredentials(
  variables: Lease["limited_variables"],
  network: OpenNetwork,
  package_hosts: readonly string[],
): UnreachableCredential[] {
  const registries = [...packageHosts, ...package_hosts];
  const isOpen = (host: string) =>
    judge({ host, port: 443 }, network, registries) === null ||
    (network.type === "limited" && network.hosts.some((each) => isOneOf(each.toLowerCase(), [host])));
  return variables.flatMap(({ hosts, ...about }) => {
    const closed = hosts.filter((host) => !isOpen(host.toLowerCase()));
    return closed.length === 0 ? [] : [{ ...about, hosts: closed }];
  });
}

/** Told once in each run, with the newest of the messages that have begun it. */
export function unreachableDrafts(thread: Thread, event: Queued, pen: Pen): AnyDraft[] {
  const began = thread.queued.filter(({ type, seq }) => type === "user.message" && seq < thread.began_seq);
  if (began.length !== 1 || began[0]?.seq !== event.seq) return [];
  return pen.unreachable.map(({ credential_id, vault_id, name, hosts }) => {
    const message = `The credential of ${name} is for ${hosts.join(", ")}, which the environment of this session does not let through: add that to its config.networking.allowed_hosts, and begin a new session.`;
    const error = {
      type: "credential_host_unreachable_error" as const,
      message,
      credential_id,
      vault_id,
      retry_status: { type: "retrying" as const },
    };
    return writer(thread, pen, "session")("session.error", { error });
  });
}
