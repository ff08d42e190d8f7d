import type { Database } from "../db/database.ts";
import type { Blobs } from "../files/blobs.ts";
import { StaleEpoch } from "../hands/client.ts";
import type { Fleet } from "../hands/fleet.ts";
import { type Placement, sandboxOf } from "../hands/placement.ts";
import { limits } from "../limits.ts";
import { takeCleanups } from "../log/cleanup.ts";
import { expireWorkspaces } from "../log/expiry.ts";
import { sweepTurns } from "../outputs/turn.ts";
import { forgetOldUses } from "../resources/credential-uses/note.ts";
import { sweepFiles } from "../resources/files/remove.ts";
import { forgetOldAnswers } from "../resources/kept-answers.ts";
import { sweepSkills } from "../resources/skills/remove.ts";
import { type WorkQueue, workQueue } from "../resources/work/queue.ts";
import { endUnusedWork, type Lost, sweepWork, tendWork } from "../resources/work/tend.ts";

export interface Jobs {
  /** Begins nothing more. What is under way is left to whoever comes by next. */
  stop(): void;
}

export interface JobParts {
  db: Database;
  hands: Pick<Fleet, "remove">;
  blobs: Pick<Blobs, "releaseUnnamed" | "removeStrays">;
  /** Takes what a session that has not ended has written in a sandbox that is about to be removed. */
  takeLastOutputs(sessionId: string, placement: Placement): Promise<void>;
  /** How long a workspace is kept, in days. */
  workspace_days: number;
  /** Told of each item that a worker of a self-hosted environment has lost. */
  workLost(lost: Lost): void;
  /** Told now and then of all work, and that it cannot be looked at: null. */
  workSeen(queue: WorkQueue | null): void;
  trouble(message: string, error: unknown, sessionId?: string): void;
}

/** What is to be done now and then, by any process: each piece of it is taken in the database by one at a time. */
export function startJobs({
  db,
  hands,
  blobs,
  workspace_days,
  takeLastOutputs,
  workLost,
  workSeen,
  trouble,
}: JobParts): Jobs {
  const removeSandboxes = () =>
    takeCleanups(db, async ({ session_id, epoch, placement }) => {
      const scope = { session_id, sandbox_id: sandboxOf(session_id), epoch };
      try {
        if (placement) await takeLastOutputs(session_id, placement);
        if (await hands.remove({ ...scope, placement })) return "removed";
        return placement ? "unreachable" : "failed";
      } catch (error) {
        if (error instanceof StaleEpoch) return "stale";
        trouble("a sandbox could not be removed; trying again", error, session_id);
        return "failed";
      }
    });

  let swept: string | null = null;
  const removeContents = async () => {
    await sweepFiles(db);
    await sweepSkills(db);
    await sweepTurns(db);
    swept = await blobs.releaseUnnamed(swept);
    await blobs.removeStrays();
  };

  const jobs = [
    repeat(limits.cleanup_poll_ms, removeSandboxes, (error) =>
      trouble("looking for sandboxes to remove failed", error),
    ),
    repeat(
      limits.expiry_poll_ms,
      () => expireWorkspaces(db, workspace_days),
      (error) => trouble("looking for workspaces that were kept long enough failed", error),
    ),
    repeat(
      limits.idempotency_sweep_ms,
      () => forgetOldAnswers(db),
      (error) => trouble("removing old answers failed", error),
    ),
    repeat(
      limits.credential_uses_sweep_ms,
      () => forgetOldUses(db),
      (error) => trouble("removing old uses of credentials failed", error),
    ),
    repeat(limits.files_sweep_ms, removeContents, (error) =>
      trouble("removing the content of files failed", error),
    ),
    repeat(
      limits.work_tend_ms,
      async () => {
        for (const lost of await tendWork(db)) workLost(lost);
      },
      (error) => trouble("looking for work that was lost by its worker failed", error),
    ),
    repeat(
      limits.work_sweep_ms,
      async () => {
        await endUnusedWork(db);
        await sweepWork(db);
      },
      (error) => trouble("looking for work that is not needed any more failed", error),
    ),
    repeat(
      limits.work_seen_ms,
      async () => workSeen(await workQueue(db)),
      () => workSeen(null),
    ),
  ];
  return {
    stop() {
      for (const job of jobs) job.stop();
    },
  };
}

/** Never beside itself. */
function repeat(every_ms: number, act: () => Promise<unknown>, onError: (error: unknown) => void): Jobs {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const run = () =>
    act()
      .catch(onError)
      .finally(() => {
        if (!stopped) timer = setTimeout(run, every_ms);
      });
  timer = setTimeout(run, 0);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
