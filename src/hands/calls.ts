import { failpoint } from "../failpoints.ts";
import { limits } from "../limits.ts";
import type { Checkpoints } from "./checkpoints/checkpoints.ts";
import { NoRoom, SetupFailed, Unavailable } from "./driver.ts";
import { describeFailure } from "./host-failure.ts";
import { type Journal, type KeptCall, keyOf } from "./journal.ts";
import type { Journals } from "./journals.ts";
import type { Mounts } from "./mounts/mounts.ts";
import { nowAndThen } from "./now-and-then.ts";
import type { OutputsRequest } from "./outputs/outputs.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { ExecuteResult, HandsRequest, HandsResponse, SetUpResult } from "./wire.ts";

type Execute = Extract<HandsRequest, { type: "execute" }>;
type CallRequest = Exclude<HandsRequest, { type: "hello" } | OutputsRequest>;

/**
 * Answers requests.
 *
 * I1  A command runs at most once for its (sandbox_id, call_id): asked again, a running one is attached to, a finished
 *     one answered from the journal, and one whose end nobody saw is lost. Not so where the disk has damaged the id.
 * I2  Nothing is done for an epoch lower than the highest seen of the session.
 * I3  A result is on disk before it is told, or that it was too large for that.
 * I4  Nothing new begins in a sandbox that lacks what the session mounts by then.
 */
export interface Calls {
  /** `tell` hears what is being done, in a line at a time. */
  handle(request: CallRequest, tell: (text: string) => void): Promise<HandsResponse>;
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

const lostElsewhere: ExecuteResult = {
  status: "lost",
  reason:
    "the sandbox host that was asked for it is gone, and the session goes on at another one; whether it ran is unknown",
};

/** Such as a picture that was read. Who waits for it gets it; it is not kept for one who asks later. */
const isLarge = (result: ExecuteResult) =>
  result.status === "finished" && result.output_base64.length > limits.hands_result_kept_chars_max;

const lostForItsSize: ExecuteResult = {
  status: "lost",
  reason: "the command ended, but its result was too large to be kept until it was asked for",
};

export interface CallsOptions {
  journals: Journals;
  sandboxes: Sandboxes;
  checkpoints: Checkpoints;
  mounts: Mounts;
}

export function createCalls({ journals, sandboxes, checkpoints, mounts }: CallsOptions): Calls {
  const running = new Map<string, RunningCall>();

  async function handle(request: CallRequest, tell: (text: string) => void): Promise<HandsResponse> {
    const { n } = request;
    if (request.type === "execute") return execute(request);
    if (request.type === "set_up") return setUp(request, tell);
    if (request.type === "provision") return provision(request);
    if (request.type === "put_blob") return put(request);
    if (request.type === "sandbox_state") {
      const state = sandboxes.stateOf(request.sandbox_id) ?? { state: "resting" as const, since: null };
      return { type: "sandbox_state", n, ...state };
    }
    if (request.type === "copy_checkpoint") {
      await checkpoints.copy(request);
      return { type: "ok", n };
    }
    return journals.use(request.session_id, async (journal) => {
      const seen = await admit(journal, request.epoch);
      if (seen !== null) return { type: "stale_epoch", n, seen };
      if (request.type === "mount") return mount(request);
      if (request.type === "cancel") running.get(keyOf(request))?.abort.abort();
      else if (request.type === "cancel_set_up") await sandboxes.cancelSetUp(request.sandbox_id);
      else {
        await sandboxes.destroy(request.sandbox_id, request);
        if (!request.keep_workspace) await journal.clear(request.sandbox_id);
      }
      return { type: "ok", n };
    });
  }

  async function put({ n, data_base64, ...piece }: Extract<HandsRequest, { type: "put_blob" }>) {
    return plainly(async () => {
      const received = await mounts.put({ ...piece, data: Buffer.from(data_base64, "base64") });
      return { type: "blob" as const, n, received };
    });
  }

  async function mount({ n, sandbox_id, ...list }: Extract<HandsRequest, { type: "mount" }>) {
    return plainly(async () => ({
      type: "mounted" as const,
      n,
      missing: await mounts.mount(sandbox_id, list),
    }));
  }

  /** Only a head start: what fails here is told by the first call, which meets it too. */
  async function provision(request: Extract<HandsRequest, { type: "provision" }>): Promise<HandsResponse> {
    const { n, session_id, epoch, sandbox_id, spec, restore } = request;
    try {
      const seen = await journals.use(session_id, (journal) => admit(journal, epoch));
      if (seen !== null) return { type: "stale_epoch", n, seen };
      if (!mounts.has(sandbox_id, request.mounts)) return { type: "needs_mounts", n };
      sandboxes.prepare(sandbox_id, { session_id, spec, restore });
    } catch {}
    return { type: "ok", n };
  }

  async function setUp(
    request: Extract<HandsRequest, { type: "set_up" }>,
    tell: (text: string) => void,
  ): Promise<HandsResponse> {
    const { n, session_id, epoch, sandbox_id, spec, restore } = request;
    const lines = nowAndThen(tell);
    try {
      const seen = await journals.use(session_id, (journal) => admit(journal, epoch));
      if (seen !== null) return { type: "stale_epoch", n, seen };
      if (!mounts.has(sandbox_id, request.mounts)) return { type: "needs_mounts", n };
      await sandboxes.setUp(sandbox_id, { session_id, spec, restore }, ({ stage, line }) =>
        lines.say(stage.type === "packages" ? `${stage.manager}: ${line}` : line),
      );
      return { type: "set_up", n, result: { status: "ready" } };
    } catch (error) {
      return { type: "set_up", n, result: whyNot(error, sandbox_id) };
    } finally {
      lines.close();
    }
  }

  function whyNot(error: unknown, sandbox_id: string): SetUpResult {
    if (error instanceof SetupFailed) return { status: "failed", message: error.message };
    const reason = error instanceof Unavailable ? error.message : describeFailure(error);
    const full = error instanceof NoRoom && { full: { kept: checkpoints.isKept(sandbox_id) } };
    return { status: "unavailable", reason, ...full };
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
    let mayHaveBegun = true;
    try {
      return await journals.use(request.session_id, async (journal) => {
        const kept = await journal.find(request);
        mayHaveBegun = kept.state !== "never_seen";
        const seen = await admit(journal, request.epoch);
        if (seen !== null) return { type: "stale_epoch", n, seen };
        const isNew = kept.state === "never_seen" && request.if_never_seen === "run" && !call.result;
        if (isNew && !mounts.has(request.sandbox_id, request.mounts)) return { type: "needs_mounts", n };
        call.result ??= run(journal, kept, request, call.abort.signal);
        return { type: "result", n, result: await call.result };
      });
    } catch (error) {
      const status = mayHaveBegun || call.result ? "lost" : "unavailable";
      return { type: "result", n, result: { status, reason: describeFailure(error) } };
    } finally {
      call.askers -= 1;
      if (call.askers === 0) running.delete(key);
    }
  }

  async function run(
    journal: Journal,
    kept: KeptCall,
    request: Execute,
    signal: AbortSignal,
  ): Promise<ExecuteResult> {
    if (kept.state === "finished") return kept.result;
    if (kept.state === "lost") return lostWithHost;
    if (request.if_never_seen === "lost") return lostElsewhere;
    const { session_id, sandbox_id, call_id, operation } = request;
    failpoint("call_read");
    const result = await sandboxes.execute({
      id: sandbox_id,
      session_id,
      call_id,
      spec: request.spec,
      restore: request.restore,
      restore_known: request.restore_known,
      operation,
      timeout_ms: request.timeout_ms,
      output_bytes: request.output_bytes,
      keep_output_as: request.keep_output_as,
      signal,
      used_shell: journal.usedShell(sandbox_id),
      async started() {
        await journal.started({ sandbox_id, call_id }, { shell: operation.type === "shell" });
        failpoint("call_noted");
      },
    });
    failpoint("call_ended");
    if (result.status === "unavailable") return result;
    try {
      await journal.finished({ sandbox_id, call_id }, isLarge(result) ? lostForItsSize : result);
      failpoint("call_kept");
      return result;
    } catch (error) {
      return { status: "lost", reason: `its result could not be kept: ${describeFailure(error)}` };
    }
  }

  return {
    handle,
    async settled() {
      await Promise.allSettled([...running.values()].map((call) => call.result));
    },
  };
}

/** What fails on the host itself is said in plain words. */
async function plainly(work: () => Promise<HandsResponse>): Promise<HandsResponse> {
  try {
    return await work();
  } catch (error) {
    const isOurs = error instanceof Error && !("code" in error);
    throw isOurs ? error : new Error(describeFailure(error), { cause: error });
  }
}
