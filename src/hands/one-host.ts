import { limits } from "../limits.ts";
import {
  type Brought,
  createMounting,
  type MountSource,
  type NoMounts,
  noMounts,
  notKept,
} from "./bring-mounts.ts";
import {
  anyChange,
  type ConnectOptions,
  connectHost,
  executeOnce,
  type Hands,
  type SandboxScope,
  setUpOnce,
  type Unanswered,
} from "./client.ts";
import type { HostAddress } from "./connection.ts";

/** What is asked of one host by those who have no database to say where sandboxes are. */
export interface OneHost extends Hands {
  destroy(request: SandboxScope & { keep_workspace: boolean; keep_checkpoints: boolean }): Promise<void>;
  close(): void;
}

export type OneHostOptions = ConnectOptions &
  HostAddress & {
    /** Default: no session mounts anything. */
    mounts?: MountSource;
  };

/** One host alone, however long it cannot be reached. Commands do not notice: asking again is safe. */
export function connectHands({ mounts: source = noMounts, ...options }: OneHostOptions): OneHost {
  const host = connectHost(options);
  const mounting = createMounting({
    source,
    trouble: (message, cause) => options.onTrouble?.(new Error(message, { cause })),
  });

  async function insist<T>(
    ask: () => Promise<T | Unanswered>,
    bring: () => Promise<Brought> = async () => "brought",
  ): Promise<T | NoMounts> {
    for (let brought = 0; ; ) {
      const answer = await ask();
      if (answer === "needs_mounts") {
        const result = await bring();
        if (typeof result === "object") return result;
        if (result === "brought") brought += 1;
        if (brought > limits.mount_rounds_max) return notKept;
      } else if (answer !== "not_begun" && answer !== "unknown") return answer;
      while (!host.isUp()) {
        host.closed.throwIfAborted();
        await anyChange([host], limits.hands_ping_ms);
      }
    }
  }

  return {
    async provision(request) {
      await insist(
        () => host.ask({ type: "provision", ...request }, "ok"),
        () => mounting.bring(host, request, host.closed),
      );
    },
    setUp: (request, onProgress, signal) =>
      insist(
        () => setUpOnce(host, request, onProgress, signal),
        () => mounting.bring(host, request, signal),
      ),
    async cancelSetUp(scope) {
      await insist(() => host.ask({ type: "cancel_set_up", ...scope }, "ok"));
    },
    execute: ({ begun_seq: _, ...request }, signal) =>
      insist(
        () => executeOnce(host, { ...request, if_never_seen: "run" }, signal),
        () => mounting.bring(host, request, signal),
      ),
    async cancel(request) {
      await insist(() => host.ask({ type: "cancel", ...request }, "ok"));
    },
    async destroy(request) {
      await insist(() => host.ask({ type: "destroy", ...request }, "ok"));
    },
    close: host.close,
  };
}
