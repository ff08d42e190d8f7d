import { statSync } from "node:fs";
import { basename } from "node:path";
import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsBudgetLimit,
  BetaManagedAgentsFileResourceParams as FileResource,
} from "@anthropic-ai/sdk/resources/beta/sessions/sessions";
import { exits, Failure } from "../exits.ts";
import { agentId } from "./agents.ts";
import { uploading } from "./connection.ts";
import { environmentId } from "./environments.ts";
import { once } from "./once.ts";
import { contentOf } from "./sending.ts";
import { findOrCreateAgent, findOrCreateEnvironment } from "./session.ts";
import { vaultId } from "./vaults.ts";

/** What a session is to be made of; names are as good as ids. */
export interface SessionWanted {
  agent?: string | undefined;
  /** Of a new agent. */
  model?: string | undefined;
  system?: string | undefined;
  environment?: string | undefined;
  vault?: string[] | undefined;
  file?: string[] | undefined;
  title?: string | undefined;
  budget?: BetaManagedAgentsBudgetLimit | undefined;
}

export async function newSession(client: Anthropic, wanted: SessionWanted): Promise<string> {
  requireFiles(wanted.file ?? []);
  const agent =
    wanted.agent === undefined
      ? await findOrCreateAgent(client, {
          name: "drover run",
          model: wanted.model ?? (process.env.DROVER_MODEL || "simulated"),
          system: wanted.system ?? null,
        })
      : await agentId(client, wanted.agent);
  const environment_id =
    wanted.environment === undefined
      ? await findOrCreateEnvironment(client, "drover run")
      : await environmentId(client, wanted.environment);
  const vault_ids: string[] = [];
  for (const vault of wanted.vault ?? []) vault_ids.push(await vaultId(client, vault));
  const resources = await uploaded(client, wanted.file ?? []);
  const session = await client.beta.sessions.create(
    {
      agent,
      environment_id,
      ...(vault_ids.length > 0 && { vault_ids }),
      ...(resources.length > 0 && { resources }),
      ...(wanted.title !== undefined && { title: wanted.title }),
      ...(wanted.budget !== undefined && { budget: wanted.budget }),
    },
    once(),
  );
  return session.id;
}

/** Before anything is made: each is a file, and no two are called the same. */
export function requireFiles(paths: readonly string[]): void {
  for (const path of paths)
    if (!statSync(path, { throwIfNoEntry: false })?.isFile())
      throw new Failure(`${path} is not a file`, exits.usage);
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, n) => names.indexOf(name) < n);
  if (twice !== undefined) throw new Failure(`two files are called ${JSON.stringify(twice)}`, exits.usage);
}

/** They lie at /mnt/session/uploads under their own names. */
export async function uploaded(client: Anthropic, paths: readonly string[]): Promise<FileResource[]> {
  const resources: FileResource[] = [];
  for (const path of paths) {
    const { id } = await client.files.upload({ file: await contentOf(path) }, uploading);
    resources.push({ type: "file", file_id: id, mount_path: basename(path) });
  }
  return resources;
}
