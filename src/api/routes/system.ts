import type { Setting } from "../../config/settings.ts";
import type { Migration } from "../../db/migrate.ts";
import type { SlowStatement } from "../../db/slow-statements.ts";
import type { FileStore } from "../../files/store.ts";
import type { HostConnection } from "../../hands/client.ts";
import { limits } from "../../limits.ts";
import { ApiError } from "../../protocol/errors.ts";
import { defaultWorkspaceId, type Principal } from "../../protocol/principal.ts";
import { type System, system } from "../../protocol/system.ts";
import { lookAtDatabase } from "../../resources/system.ts";
import { type Route, route } from "../route.ts";

export interface SystemParts {
  member: { id(): number | null };
  migrations: readonly Migration[];
  fileStore: Pick<FileStore, "place" | "identify">;
  hosts: readonly HostConnection[];
  settings: readonly Setting[];
  slowStatements(): SlowStatement[];
  version: string;
  started_at: string;
}

export const systemRoutes = (parts: SystemParts): Route[] => [
  route({
    beta: null,
    method: "GET",
    path: "/v1/system",
    summary: "How the server is: its database, storage, processes, sandbox hosts and settings",
    response: system,
    async handle({ db, principal }): Promise<System> {
      requireAdministrator(principal);
      const known = parts.migrations.map(({ version }) => version);
      const [found, status] = await Promise.all([
        lookAtDatabase(db, parts.member.id(), known),
        statusOf(parts.fileStore),
      ]);
      return {
        type: "system",
        version: parts.version,
        started_at: parts.started_at,
        ...found,
        storage: { place: parts.fileStore.place, status, ...found.storage },
        sandbox_hosts: parts.hosts.map(hostOf),
        slow_statements: parts.slowStatements(),
        settings: [...parts.settings],
      };
    },
  }),
];

/** It tells of all workspaces together: those of the first one run the server, and the others learn nothing of each other. */
function requireAdministrator({ workspaceId }: Principal): void {
  if (workspaceId === defaultWorkspaceId) return;
  throw new ApiError(
    "permission_error",
    "how the server is, only keys of the administrator's workspace may ask",
  );
}

async function statusOf(store: SystemParts["fileStore"]): Promise<System["storage"]["status"]> {
  const { promise: late, resolve } = Promise.withResolvers<"away">();
  const timer = setTimeout(() => resolve("away"), limits.file_store_look_ms);
  const asked = store.identify(null).then(
    (id): "ok" | "away" => (id === null ? "away" : "ok"),
    (): "away" => "away",
  );
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

function hostOf(host: HostConnection): System["sandbox_hosts"][number] {
  const facts = host.facts();
  return {
    address: host.address,
    host_id: facts?.host_id ?? null,
    status: host.isUp() ? "up" : "down",
    driver: facts?.driver ?? null,
    version: facts?.version ?? null,
    sandboxes: facts?.sandboxes ?? null,
    sandboxes_in_use: facts?.sandboxes_in_use ?? null,
    sandboxes_max: facts?.sandboxes_max ?? null,
    checkpoints_failing: facts?.checkpoints_failing ?? null,
    egress: facts?.egress ?? null,
    unheard_seconds: Math.round(host.unheard_ms()) / 1000,
  };
}
