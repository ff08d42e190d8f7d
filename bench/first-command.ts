import { plainSpec } from "../src/hands/plain-spec.ts";
import type { SandboxSpec } from "../src/hands/wire.ts";
import { newId } from "../src/protocol/ids.ts";
import type { Rig } from "./rig.ts";

/** As sandboxes of an environment without settings are: the way out is attached. */
export const networkSpec: SandboxSpec = { ...plainSpec, network: { type: "unrestricted" } };

/** A sandbox that did not exist, driven over the wire that brains use. */
export interface FreshSandbox {
  /** Runs `true`; `ms` until its result is here. */
  run(): Promise<number>;
  /** Ends it, with all that is left of it. */
  remove(): Promise<void>;
}

export function freshSandbox({ hands }: Rig, spec: SandboxSpec): FreshSandbox {
  const session_id = newId("session");
  const scope = { session_id, sandbox_id: session_id.replace("sesn_", "sbx_"), epoch: 1 };
  const { signal } = new AbortController();
  let calls = 0;
  return {
    async run() {
      const start = performance.now();
      const result = await hands.execute(
        {
          ...scope,
          call_id: `call_${calls++}`,
          spec,
          restore: false,
          mounts: 0,
          restore_known: null,
          operation: { type: "shell", command: "true" },
          timeout_ms: 60_000,
          output_bytes: 1_000,
          keep_output_as: null,
          begun_seq: null,
        },
        signal,
      );
      const ms = performance.now() - start;
      if (result.status !== "finished" || result.exit_code !== 0)
        throw new Error(`\`true\` ended as ${JSON.stringify(result)}`);
      return ms;
    },
    remove: () => hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: false }),
  };
}
