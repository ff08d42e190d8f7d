import { limits } from "../limits.ts";
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

/** One host alone, however long it cannot be reached. Commands do not notice: asking again is safe. */
export function connectHands(options: ConnectOptions & HostAddress): OneHost {
  const host = connectHost(options);

  async function insist<T>(ask: () => Promise<T | Unanswered>): Promise<T> {
    for (;;) {
      const answer = await ask();
      if (answer !== "not_begun" && answer !== "unknown") return answer;
      while (!host.isUp()) {
        host.closed.throwIfAborted();
        await anyChange([host], limits.hands_ping_ms);
      }
    }
  }

  return {
    async provision(request) {
      await insist(() => host.ask({ type: "provision", ...request }, "ok"));
    },
    setUp: (request, onProgress, signal) => insist(() => setUpOnce(host, request, onProgress, signal)),
    async cancelSetUp(scope) {
      await insist(() => host.ask({ type: "cancel_set_up", ...scope }, "ok"));
    },
    execute: ({ begun_seq: _, ...request }, signal) =>
      insist(() => executeOnce(host, { ...request, if_never_seen: "run" }, signal)),
    async cancel(request) {
      await insist(() => host.ask({ type: "cancel", ...request }, "ok"));
    },
    async destroy(request) {
      await insist(() => host.ask({ type: "destroy", ...request }, "ok"));
    },
    close: host.close,
  };
}
