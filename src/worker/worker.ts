import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import type { AgentToolContext } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import type { Hands, SandboxScope } from "../hands/client.ts";
import { sandboxOf } from "../hands/placement.ts";
import type { SandboxSpec } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { sandboxTools } from "./sandbox-tools.ts";
import type { WorkerSkills } from "./skills.ts";
import { openWorkspaces } from "./workspaces.ts";

export interface WorkerOptions {
  url: string;
  environment_id: string;
  environment_key: string;
  /** What it calls itself. */
  name: string;
  /** How many sessions it serves at a time. */
  sessions: number;
  /** After so long with nothing to do it leaves a session, until there is something again. */
  idle_ms: number;
  hands: Hands & {
    destroy(request: SandboxScope & { keep_workspace: boolean; keep_checkpoints: boolean }): Promise<void>;
  };
  skills: WorkerSkills;
  spec: SandboxSpec;
  /** Of its own. Sandboxes do not see it. */
  folder: string;
  log: Pick<Console, "error" | "warn" | "info" | "debug">;
}

/** What the SDK says of each request that went well: of a worker that waits, some each second. */
const isRoutine = (said: string) => /^\[log_.* succeeded with status /.test(said);

/** Serves sessions of a self-hosted environment until `stop` is aborted: the SDK's worker, with sandboxes around its tools. */
export async function runWorker(options: WorkerOptions, stop: AbortSignal): Promise<void> {
  const { url, environment_id: environmentId, environment_key: environmentKey, hands, log } = options;
  // The one variable that the SDK reads whatever it is given: headers, and keys among them, for another server.
  delete process.env.ANTHROPIC_CUSTOM_HEADERS;
  const client = new Anthropic({
    baseURL: url,
    apiKey: null,
    authToken: environmentKey,
    logLevel: "info",
    logger: {
      ...log,
      info: (said: string, ...more) => (isRoutine(said) ? log.debug : log.info)(said, ...more),
    },
  });
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);

  // Of two that serve one session the later goes on: `hands` refuse the other.
  const scopeOf = (session_id: string): SandboxScope => ({
    session_id,
    sandbox_id: sandboxOf(session_id),
    epoch: Date.now(),
  });

  const workspaces = openWorkspaces(join(options.folder, "sessions"), {
    async isOver(id) {
      try {
        return (await client.beta.sessions.retrieve(id)).status === "terminated";
      } catch (error) {
        if (error instanceof Anthropic.NotFoundError) return true;
        throw error;
      }
    },
    remove: (id) => hands.destroy({ ...scopeOf(id), keep_workspace: false, keep_checkpoints: false }),
  });
  const sweep = () =>
    workspaces
      .sweep()
      .catch((error) => log.warn("workspaces of old sessions could not be removed", { err: error }));

  /** The workspace of a session that goes on stays until the session comes back. */
  const toolsOf = ({ client: own, session }: AgentToolContext) => {
    const sessionId = session?.id ?? "";
    workspaces.enter(sessionId);
    const skills = options.skills.enter(sessionId, {
      client: own ?? client,
      skills: session?.agent.skills ?? [],
    });
    const origin = { spec: options.spec, mounts: skills.version };
    const [first, ...rest] = sandboxTools(hands, scopeOf(sessionId), origin);
    const close = async () => {
      skills.leave();
      workspaces.leave(sessionId);
      await sweep();
    };
    return first ? [{ ...first, close }, ...rest] : rest;
  };

  const serving = Array.from({ length: options.sessions }, async (_, i) => {
    const workerId = options.sessions === 1 ? options.name : `${options.name}-${i + 1}`;
    const worker = client.beta.environments.work.worker({
      environmentId,
      environmentKey,
      workerId,
      workdir: options.folder,
      maxIdleMs: options.idle_ms,
      tools: toolsOf,
    });
    try {
      await worker.run(signal);
    } catch (error) {
      if (signal.aborted) return;
      failed.abort();
      throw error;
    }
  });
  sweep();
  const sweeping = setInterval(sweep, limits.worker_sweep_ms);
  const ends = await Promise.allSettled(serving);
  clearInterval(sweeping);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
