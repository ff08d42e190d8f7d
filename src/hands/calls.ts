import type { Journal } from "./journal.ts";
import type { Journals } from "./journals.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { ExecuteResult, HandsRequest, HandsResponse } from "./wire.ts";

type Execute = Extract<HandsRequest, { type: "execute" }>;

/**
 * Answers requests.
 *
 * I1  A command runs at most once for its (sandbox_id, call_id): asked again, a running one is attached to, a finished
 *     one answered from the journal, and one whose end nobody saw is lost.
 * I2  Nothing is done for an epoch lower than the highest seen of the session.
 * I3  A result is on disk before it is told.
 */
export interface Calls {
  handle(request: HandsRequest): Promise<HandsResponse>;
  /** Resolves when no call runs any more. */
  settled(): Promise<void>;
}

interface RunningCall {
  abort: AbortController;
  /** Null until somebody with a valid epoch has asked for it. */
  result: Promise<ExecuteResult> | null;
  askers: number;
}

const lostWithHost: ExecuteResult = {
  status: "lost",
  reason: "the sandbox host ended while the command ran; whether it had finished is unknown",
};

export function createCalls(options: {
  journals: Journals;
  sandboxes: Sandboxes;
  instance_id: string;
  driver: string;
}): Calls {
  const { journals, sandboxes } = options;
  const running = new Map<string, RunningCall>();

  async function handle(request: HandsRequest): Promise<HandsResponse> {
    const { n } = request;
    if (request.type === "hello") {
      return { type: "hello", n, instance_id: options.instance_id, driver: options.driver };
    }
    if (request.type === "execute") return execute(request);
    return journals.use(request.session_id, async (journal) => {
      const seen = await admit(journal, request.epoch);
      if (seen !== null) return { type: "stale_epoch", n, seen };
      if (request.type === "provision") sandboxes.prepare(request.sandbox_id, request.spec);
      else if (request.type === "cancel") running.get(keyOf(request))?.abort.abort();
      else {
        await sandboxes.destroy(request.sandbox_id, request);
        if (!request.keep_workspace) await journal.clear();
      }
      return { type: "ok", n };
    });
  }

  /** The highest epoch seen when it is higher than the asker's, else null. */
  async function admit(journal: Journal, epoch: number): Promise<number | null> {
    if (epoch > journal.epoch()) await journal.raiseEpoch(epoch);
    return epoch < journal.epoch() ? journal.epoch() : null;
  }

  async function execute(request: Execute): Promise<HandsResponse> {
    const { n } = request;
    const key = keyOf(request);
    // Known from the moment it is read, so that a cancel that follows finds it.
    const call = running.get(key) ?? { abort: new AbortController(), result: null, askers: 0 };
    running.set(key, call);
    call.askers += 1;
    try {
      return await journals.use(request.session_id, async (journal) => {
        const seen = await admit(journal, request.epoch);
        if (seen !== null) return { type: "stale_epoch", n, seen };
        call.result ??= run(journal, request, call.abort.signal);
        return { type: "result", n, result: await call.result };
      });
    } finally {
      call.askers -= 1;
      if (call.askers === 0) running.delete(key);
    }
  }

  async function run(journal: Journal, request: Execute, signal: AbortSignal): Promise<ExecuteResult> {
    const kept = await journal.find(request);
    if (kept.state === "finished") return kept.result;
    if (kept.state === "lost") return lostWithHost;
    const { sandbox_id, call_id, operation } = request;
    const result = await sandboxes.execute({
      id: sandbox_id,
      spec: request.spec,
      operation,
      timeout_ms: request.timeout_ms,
      output_bytes: request.output_bytes,
      signal,
      used_shell: journal.usedShell(sandbox_id),
      started: () => journal.started({ sandbox_id, call_id }, { shell: operation.type === "shell" }),
    });
    if (result.status !== "unavailable") await journal.finished({ sandbox_id, call_id }, result);
    return result;
  }

  return {
    handle,
    async settled() {
      await Promise.allSettled([...running.values()].map((call) => call.result));
    },
  };
}

const keyOf = (call: { sandbox_id: string; call_id: string }) =>
  JSON.stringify([call.sandbox_id, call.call_id]);
