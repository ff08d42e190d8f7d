import { collectBlobs } from "./collect.ts";
import { copyCheckpoint, removeCheckpoints } from "./documents.ts";
import type { FromWorker, JobName, Jobs, ToWorker } from "./jobs.ts";
import { restoreCheckpoint } from "./restore.ts";
import { openSharedFolder } from "./shared-folder.ts";
import { type Storage, StorageAway } from "./storage.ts";
import { takeCheckpoint } from "./take.ts";

/** Does one job at a time, and waits for the system as long as that takes: whoever asked ends the process instead. */
type Work = {
  [Name in JobName]: (
    storage: Storage | null,
    asks: Jobs[Name]["asks"],
    signal: AbortSignal,
  ) => Promise<Jobs[Name]["gives"]>;
};

const work: Work = {
  take: (storage, asks, signal) => takeCheckpoint(there(storage), asks, signal),
  restore: (storage, asks, signal) => restoreCheckpoint(there(storage), asks, signal),
  async copy(storage, asks) {
    if (storage) await copyCheckpoint(storage, asks);
    return null;
  },
  async remove(storage, { session_id }) {
    if (storage) await removeCheckpoints(storage, session_id);
    return null;
  },
  collect: async (storage, { grace_ms }) =>
    storage ? collectBlobs(storage, grace_ms) : { kept: 0, removed: 0 },
};

/** Where no host has ever kept anything there is nothing to bring back; or it is not mounted, which looks the same. */
function there(storage: Storage | null): Storage {
  if (storage) return storage;
  throw new StorageAway("there is no storage with checkpoints at the configured place; is it mounted?");
}

let stop = new AbortController();

function run<Name extends JobName>(
  name: Name,
  storage: Storage | null,
  asks: Jobs[Name]["asks"],
  signal: AbortSignal,
) {
  return work[name](storage, asks, signal);
}

async function handle(job: Extract<ToWorker, { type: "job" }>): Promise<FromWorker> {
  const { signal } = stop;
  try {
    const { folder, known } = job.storage;
    const storage = openSharedFolder(folder, { known, make: job.name === "take" });
    return {
      type: "done",
      storage_id: storage?.id ?? null,
      gives: await run(job.name, storage, job.asks, signal),
    };
  } catch (error) {
    if (signal.aborted) return { type: "stopped" };
    const { message, code } = error as NodeJS.ErrnoException;
    return { type: "failed", message, code: code ?? null, away: error instanceof StorageAway };
  }
}

const answer = (message: FromWorker) => process.send?.(message);

process.on("message", (message: ToWorker) => {
  if (message.type === "stop") return stop.abort();
  stop = new AbortController();
  handle(message).then(answer);
});
// Nobody is left to ask.
process.on("disconnect", () => process.exit());
// Of a terminal, and for the whole group: whoever asked decides when to end.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
