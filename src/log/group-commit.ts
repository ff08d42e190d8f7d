import type { Database } from "../db/database.ts";
import { DatabaseUnavailable } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { type AppendRequest, type AppendResult, append } from "./append.ts";

export interface Log {
  append(request: AppendRequest): Promise<AppendResult>;
}

export interface LogEvents {
  /** Number of this process in notifications. */
  from(): number;
  onCommitted(request: AppendRequest, result: Extract<AppendResult, { verdict: "accepted" }>): void;
}

interface Waiting {
  request: AppendRequest;
  resolve(result: AppendResult): void;
  reject(error: unknown): void;
}

/**
 * Writes together what waits together. A session has one batch in flight at a time, so its requests land in the order
 * they were made; `onCommitted` hears of each session's in that order too.
 */
export function createLog(options: LogEvents & { db: Database }): Log {
  const waiting = new Map<string, Waiting[]>();
  const busy = new Set<string>();
  let batches = 0;
  let scheduled = false;

  /** What is asked for in one go goes out in one batch. */
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      flush();
    });
  }

  function nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    for (const [sessionId, queue] of waiting) {
      if (batch.length === limits.append_batch_max) break;
      if (busy.has(sessionId)) continue;
      const next = queue.shift();
      if (next) batch.push(next);
      if (queue.length === 0) waiting.delete(sessionId);
    }
    return batch;
  }

  function flush(): void {
    while (batches < limits.append_batches_in_flight_max) {
      const batch = nextBatch();
      if (batch.length === 0) return;
      batches += 1;
      for (const { request } of batch) busy.add(request.session_id);
      write(batch).finally(() => {
        batches -= 1;
        for (const { request } of batch) busy.delete(request.session_id);
        schedule();
      });
    }
  }

  async function write(batch: Waiting[]): Promise<void> {
    try {
      const results = await append(
        options.db,
        batch.map((item) => item.request),
        options.from(),
      );
      for (const [n, item] of batch.entries()) settle(item, results[n] as AppendResult);
    } catch (error) {
      // One request can be unwritable; its neighbours must not suffer. After a broken connection nobody knows what
      // was written, so nothing is sent again.
      if (batch.length > 1 && !(error instanceof DatabaseUnavailable)) {
        for (const item of batch) await write([item]);
      } else {
        for (const item of batch) item.reject(error);
      }
    }
  }

  function settle(item: Waiting, result: AppendResult): void {
    if (result.verdict === "accepted") options.onCommitted(item.request, result);
    item.resolve(result);
  }

  return {
    append: (request) =>
      new Promise((resolve, reject) => {
        const queue = waiting.get(request.session_id);
        if (queue) queue.push({ request, resolve, reject });
        else waiting.set(request.session_id, [{ request, resolve, reject }]);
        schedule();
      }),
  };
}

/** The same log within a transaction: each append by itself, and heard of when it is committed. */
export function logWithin(
  db: Database,
  { from, onCommitted }: LogEvents,
  whenCommitted: (effect: () => void) => void,
): Log {
  return {
    async append(request) {
      const [result] = await append(db, [request], from());
      if (!result) throw new Error("an append returned no verdict");
      if (result.verdict === "accepted") whenCommitted(() => onCommitted(request, result));
      return result;
    },
  };
}
