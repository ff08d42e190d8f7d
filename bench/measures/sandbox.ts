import { plainSpec } from "../../src/hands/plain-spec.ts";
import type { SandboxSpec } from "../../src/hands/wire.ts";
import { newId } from "../../src/protocol/ids.ts";
import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";
import { percentile, timed } from "../stats.ts";

const specs = {
  "without a network": plainSpec,
  "with the way out attached": { ...plainSpec, network: { type: "unrestricted" } },
} satisfies Record<string, SandboxSpec>;

/** A sandbox that did not exist runs its first command. */
export async function sandbox(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const figures: Figure[] = [];
  for (const [which, spec] of Object.entries(specs)) {
    const took = await firstCommands(rig, spec);
    figures.push({
      area: "sandbox",
      what: `create until the first command is done, ${which}, p50`,
      unit: "ms",
      value: percentile(took, 0.5),
      bar: { at_most: 50 },
    });
  }
  return figures;
}

async function firstCommands(rig: Rig, spec: SandboxSpec): Promise<number[]> {
  const { signal } = new AbortController();
  return timed(20, async () => {
    const session_id = newId("session");
    const scope = { session_id, sandbox_id: session_id.replace("sesn_", "sbx_"), epoch: 1 };
    const start = performance.now();
    const result = await rig.hands.execute(
      {
        ...scope,
        call_id: "first",
        spec,
        restore: false,
        restore_known: null,
        operation: { type: "shell", command: "true" },
        timeout_ms: 10_000,
        output_bytes: 1_000,
        keep_output_as: null,
        begun_seq: null,
      },
      signal,
    );
    const ms = performance.now() - start;
    if (result.status !== "finished") throw new Error(`the first command ended as ${JSON.stringify(result)}`);
    await rig.hands.destroy({ ...scope, keep_workspace: false, keep_checkpoints: false });
    return ms;
  });
}
