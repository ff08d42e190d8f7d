import type { Readable } from "node:stream";
import type { SandboxSettings } from "../config/sandboxes.ts";
import type { Database } from "../db/database.ts";
import { DatabaseUnavailable } from "../db/errors.ts";
import { failpoint } from "../failpoints.ts";
import type { SandboxScope } from "../hands/client.ts";
import type { Fleet } from "../hands/fleet.ts";
import { sandboxOf } from "../hands/placement.ts";
import type { Restored } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { bodyOf } from "../log/entry.ts";
import type { Log } from "../log/group-commit.ts";
import { type ClaimOptions, claim, type Lease, nextDue, reap, release } from "../log/lease.ts";
import type { Member } from "../log/member.ts";
import type { Previews } from "../log/previews.ts";
import type { Watches } from "../log/watch.ts";
import type { ModelRequest, Models } from "../models/model.ts";
import type { EnvironmentConfig } from "../protocol/environments.ts";
import { newId } from "../protocol/ids.ts";
import type { Mcp, McpSession } from "../tools/mcp/mcp.ts";
import { networkOf } from "../tools/sandbox-spec.ts";
import type { ToolResult } from "../tools/tool.ts";
import type { WebTools } from "../tools/web/web.ts";
import { callModel } from "./call-model.ts";
import type { FindCap } from "./caps.ts";
import { type CredentialSource, type DrivenCredentials, drivenCredentials } from "./credentials.ts";
import { type DriveEnd, drive, type Effects } from "./drive.ts";
import { needsSetup } from "./environment-setup.ts";
import { mcpToolNamed } from "./mcp.ts";
import { createMemory } from "./memory.ts";
import type { RepositorySource } from "./place-repositories.ts";
import { listMcpTools, runMcpTool } from "./run-mcp-tool.ts";
import { noSandbox, sandboxEffects } from "./sandbox-effects.ts";
import { type AgentFacts, type SessionFacts, toolConfigOf } from "./session.ts";
import type { Spending } from "./spending.ts";
import { createStoredContents } from "./stored-contents.ts";
import { unreachableCredentials } from "./unreachable.ts";

export interface Brain {
  /** There may be a session to claim. */
  wake(): void;
  /** The id under which sessions were claimed is dead: whatever is driven belongs to others now. */
  abandon(): void;
  /** Hands every session over and returns when none is driven. */
  stop(): Promise<void>;
}

/** Told what is counted. */
export interface Counts {
  /** A call of a tool has ended. */
  toolCalled(name: string, result: ToolResult): void;
  /** A session's log tells of a workspace that was filled again. */
  workspaceRestored(restored: Restored): void;
  /** Sessions were freed whose process had died. */
  takenOver(sessions: number): void;
}

export interface BrainParts {
  db: Database;
  log: Log;
  watches: Watches;
  previews: Previews;
  member: Pick<Member, "id" | "rejoin">;
  hands: Pick<Fleet, "handsOf" | "met">;
  /** After so long without a word of it a sandbox host is gone. */
  host_gone_ms: number;
  /** What a sandbox may use if its environment does not say. */
  sandboxes: Pick<SandboxSettings, "defaults" | "network" | "package_hosts">;
  repositories: RepositorySource;
  credentials: CredentialSource;
  web: WebTools;
  mcp: Mcp;
  models: Models;
  /** What files hold, by its hash. */
  openContent(sha256: string): Promise<Readable>;
  spending: Spending;
  findCap: FindCap;
  counts: Counts;
  /** Told what went wrong where nobody waits for an answer. */
  trouble(message: string, error: unknown, sessionId?: string): void;
}

/** Claims sessions that wait for a brain, and drives each until it is parked. */
export function startBrain(parts: BrainParts): Brain {
  const { db, log, watches, member, counts, trouble } = parts;
  const stop = new AbortController();
  let abandoned = new AbortController();
  const driven = new Set<Promise<void>>();
  /** How many of them each workspace has. */
  const perWorkspace = new Map<string, number>();
  const webTools = parts.web.tools.map(({ definition }) => definition);
  /** Anew with each database: what is still being driven keeps its state in the memory that it began with. */
  let memory = createMemory(limits.memory_chars_max);
  const contents = createStoredContents(parts.openContent, limits.shown_contents_chars_max);
  let looking: Promise<void> | null = null;
  let again = false;
  let timer: NodeJS.Timeout | undefined;
  let nextRoundAt = Number.POSITIVE_INFINITY;

  function wake(): void {
    if (stop.signal.aborted) return;
    again = true;
    looking ??= look()
      .catch((error) => {
        trouble("looking for work failed", error);
        // What was claimed without our hearing of it would stay ours, and nobody would drive it.
        if (error instanceof DatabaseUnavailable && error.mayHaveRun) {
          member.rejoin("the answer to a claim was lost");
        }
      })
      .finally(() => {
        looking = null;
      });
  }

  async function look(): Promise<void> {
    while (again && !stop.signal.aborted) {
      again = false;
      const owner = member.id();
      if (owner === null || room() <= 0) return;
      const leases = await claim(db, owner, Math.min(room(), limits.claim_batch_max), claimable());
      if (leases.length === limits.claim_batch_max) again = true;
      for (const lease of leases) run(lease);
    }
  }

  const room = () => limits.sessions_driven_max - driven.size;

  const claimable = (): ClaimOptions => ({
    except: full(),
    hosts: { met: parts.hands.met(), gone_ms: Math.max(parts.host_gone_ms, limits.process_dead_ms) },
  });

  /** The workspaces that have so much of this process that the rest is for others. */
  const full = (): string[] =>
    [...perWorkspace].flatMap(([id, count]) =>
      count >= limits.sessions_driven_per_workspace_max ? [id] : [],
    );

  function run(lease: Lease): void {
    const { workspace_id } = lease;
    const running = driveLease(lease)
      .catch((error) => trouble("a session could not be given back", error, lease.session_id))
      .finally(() => {
        const wasFull = room() <= 0 || full().length > 0;
        driven.delete(running);
        count(workspace_id, -1);
        if (wasFull) wake();
      });
    driven.add(running);
    count(workspace_id, 1);
  }

  function count(workspaceId: string, change: 1 | -1): void {
    const now = (perWorkspace.get(workspaceId) ?? 0) + change;
    if (now === 0) perWorkspace.delete(workspaceId);
    else perWorkspace.set(workspaceId, now);
  }

  async function driveLease(lease: Lease): Promise<void> {
    const watch = watches.watch(lease.session_id);
    const mcp = parts.mcp.of(lease);
    let end: DriveEnd | "failed" = "failed";
    try {
      const environment = lease.environment as EnvironmentConfig;
      const facts: SessionFacts = {
        ...lease,
        agent: lease.agent as AgentFacts,
        self_hosted: environment.type === "self_hosted",
        needs_setup: environment.type === "cloud" && needsSetup(environment),
        unreachable: unreachableFor(lease, environment),
      };
      end = await drive(
        facts,
        lease,
        effectsFor(lease, watch, mcp),
        AbortSignal.any([stop.signal, abandoned.signal]),
        memory,
      );
    } catch (error) {
      trouble("driving a session failed; it is tried again", error, lease.session_id);
    } finally {
      watch.close();
      if (end === "parked") mcp.rest();
      else mcp.giveUp();
    }
    if (end === "failed") await giveBack(lease);
  }

  /** Until it has worked, or somebody else has freed the session: a lease of a living process never runs out. */
  async function giveBack(lease: Lease): Promise<void> {
    for (let attempt = 0; member.id() === lease.owner; attempt += 1) {
      try {
        return await release(db, lease, limits.drive_failed_pause_ms);
      } catch (error) {
        if (attempt === 0)
          trouble("a session could not be given back; trying again", error, lease.session_id);
        await new Promise((resolve) => setTimeout(resolve, limits.claim_poll_ms));
      }
    }
  }

  function effectsFor(lease: Lease, watch: ReturnType<Watches["watch"]>, mcp: McpSession): Effects {
    const scope: SandboxScope = {
      session_id: lease.session_id,
      sandbox_id: sandboxOf(lease.session_id),
      epoch: lease.epoch,
    };
    const environment = lease.environment as EnvironmentConfig;
    const credentials = credentialsFor(lease);
    const { runTool, keepOutput, ...sandbox } =
      environment.type === "cloud"
        ? sandboxEffects(parts.hands.handsOf(lease), scope, {
            environment,
            agent: lease.agent as AgentFacts,
            settings: parts.sandboxes,
            workspace_id: lease.workspace_id,
            repositories: parts.repositories,
            credentials,
            over: AbortSignal.any([stop.signal, abandoned.signal]),
          })
        : noSandbox;
    const filled = (request: ModelRequest) =>
      contents.filled(request).catch((error) => {
        trouble("the files of a conversation could not be read", error, lease.session_id);
        throw error;
      });
    const clockAhead = lease.claimed_at_ms - Date.now();
    return {
      read: (seq) => watch.after(seq),
      ring: (seq, signal) => watch.ring(seq, signal),
      async append(request) {
        const result = await log.append(request);
        if (result.verdict === "accepted")
          for (const entry of result.entries)
            if (entry.type === "workspace_restored")
              counts.workspaceRestored(bodyOf(entry, "workspace_restored").restored);
        if (result.verdict === "behind") watches.moved(request.session_id, result.head_seq);
        if (request.run?.type === "park" && request.run.after_ms !== null) roundWithin(request.run.after_ms);
        return result;
      },
      callModel: (request, signal) => callModel(parts.models, request, signal, filled),
      judgeOf: parts.models.judgeOf,
      preview: (preview) => parts.previews.publish(lease.session_id, preview),
      flushPreviews: () => parts.previews.flush(lease.session_id),
      ...sandbox,
      webTools,
      listMcp: (server, signal) => listMcpTools(server, { mcp, credentials }, signal),
      watchMcp: (changed) => mcp.watch(changed),
      async runTool(call, signal, { agent, mcp_servers, thread, ...restoring }) {
        if (call.mcp) {
          const known = mcpToolNamed(agent, mcp_servers, call.name);
          const keep = keepOutput && ((text: string) => keepOutput(call, text, restoring, signal));
          const result = await runMcpTool(call, { known, mcp_servers, mcp, credentials, keep }, signal);
          counts.toolCalled("mcp", result);
          return result;
        }
        const config = toolConfigOf(agent, call.name) ?? {};
        const result = parts.web.has(call.name)
          ? await parts.web.run(call, { config, conversation: thread, signal })
          : await runTool(call, restoring, signal);
        counts.toolCalled(call.name, result);
        return result;
      },
      capReached: (agent, unwritten) => parts.findCap(lease.workspace_id, agent, unwritten),
      spending: parts.spending,
      contextWindow: parts.models.contextWindow,
      newId: () => newId("event"),
      now: () => Date.now() + clockAhead,
      random: Math.random,
    };
  }

  function unreachableFor({ limited_variables, agent }: Lease, environment: EnvironmentConfig) {
    if (environment.type !== "cloud" || limited_variables.length === 0) return [];
    const network = networkOf(environment.networking, (agent as AgentFacts).mcp_servers);
    return unreachableCredentials(limited_variables, network, parts.sandboxes.package_hosts);
  }

  function credentialsFor({ workspace_id, session_id, has_credentials }: Lease): DrivenCredentials | null {
    if (!has_credentials) return null;
    return drivenCredentials(parts.credentials, workspace_id, session_id, (message, error) =>
      trouble(message, error, session_id),
    );
  }

  /** The next round comes no later than this. */
  function roundWithin(ms: number): void {
    const at = Date.now() + Math.max(1, ms);
    if (stop.signal.aborted || at >= nextRoundAt) return;
    clearTimeout(timer);
    nextRoundAt = at;
    timer = setTimeout(lookRound, at - Date.now());
  }

  /** Everything that a lost notification must not delay for ever. */
  async function lookRound(): Promise<void> {
    let pause: number = limits.claim_poll_ms;
    nextRoundAt = Number.POSITIVE_INFINITY;
    try {
      counts.takenOver((await reap(db, member.id())).length);
      wake();
      // One that is due and cannot be taken by us must not make the rounds follow each other without a pause.
      const owner = member.id();
      if (owner !== null && room() > 0) {
        const due_ms = await nextDue(db, owner, claimable());
        pause = Math.min(pause, Math.max(limits.claim_pause_ms_min, due_ms ?? pause));
      }
    } catch (error) {
      trouble("looking for work failed", error);
    }
    roundWithin(pause);
  }

  lookRound();

  return {
    wake,
    abandon() {
      abandoned.abort();
      abandoned = new AbortController();
      // The database that comes back may be an older copy of itself.
      memory = createMemory(limits.memory_chars_max);
    },
    async stop() {
      failpoint("stop_asked");
      stop.abort();
      clearTimeout(timer);
      await looking;
      while (driven.size > 0) await Promise.all(driven);
      failpoint("stop_done");
    },
  };
}
