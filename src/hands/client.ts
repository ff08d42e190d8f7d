import type { ExecuteResult, HandsRequest, SandboxSpec } from "./wire.ts";

export interface SandboxScope {
  session_id: string;
  sandbox_id: string;
  epoch: number;
}

export type ExecuteRequest = SandboxScope & { call_id: string; spec: SandboxSpec } & Pick<
    Extract<HandsRequest, { type: "execute" }>,
    "operation" | "timeout_ms" | "output_bytes"
  >;

/** What a brain asks of `hands`. Throws `StaleEpoch` when another brain has taken the session over. */
export interface Hands {
  /** Begins to start the sandbox, so that the first call finds it running. */
  provision(request: SandboxScope & { spec: SandboxSpec }): Promise<void>;
  /** Survives lost connections: it asks again until `hands` answers. Abort of `signal` cancels the command. */
  execute(request: ExecuteRequest, signal: AbortSignal): Promise<ExecuteResult>;
  destroy(request: SandboxScope & { keep_workspace: boolean }): Promise<void>;
}

export class StaleEpoch extends Error {
  override readonly name = "StaleEpoch";
}
