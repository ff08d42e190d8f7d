import type { ExecuteRequest, Hands, SandboxOrigin, SandboxScope } from "../hands/client.ts";
import type { KeptOutput, Restored, SetUpResult } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { NetworkUse } from "../protocol/network-use.ts";
import { bash } from "./bash.ts";
import { edit } from "./edit.ts";
import { glob } from "./glob.ts";
import { grep } from "./grep.ts";
import { networkOf } from "./network-use.ts";
import { bounded } from "./preview.ts";
import { read } from "./read.ts";
import { afterReplays, outcomeUnknown } from "./replay.ts";
import { isForTheBrain, Lost, NoSandbox, runStep } from "./steps.ts";
import { failed, type StepOptions, type Tool, type ToolResult, type ToolSandbox } from "./tool.ts";
import { write } from "./write.ts";

/** The tools of `agent_toolset_20260401` that this version runs, in the order the model sees them. */
export const toolset: readonly Tool[] = [bash, read, write, edit, glob, grep];

export const toolNamed = (name: string): Tool | undefined =>
  toolset.find((tool) => tool.definition.name === name);

/**
 * Runs a call at most once per step, whoever asks and how often. What goes wrong is told to the model; only `StaleEpoch`
 * and `Undecided` are thrown. `started_seq` is that of a call that an earlier lease may have begun to run. `hide` takes secrets out
 * of what the tool has found, before any of it is kept.
 */
export async function runTool(
  call: { id: string; name: string; input: Record<string, unknown>; started_seq: number | null },
  hands: Hands,
  scope: SandboxScope & SandboxOrigin & Pick<ExecuteRequest, "restore_known">,
  signal: AbortSignal,
  hide: (result: ToolResult) => Promise<ToolResult> = async (result) => result,
): Promise<ToolResult> {
  const tool = toolNamed(call.name);
  if (!tool) return failed(`The tool "${call.name}" is not available on this server.`);
  const told: Restored[] = [];
  const used: NetworkUse[] = [];
  const result = await attempts(tool);
  // Run again at another host, it ended in the workspace that was brought back last.
  const restored = told.at(-1);
  const network = networkOf(used);
  return { ...result, ...(restored && { restored }), ...(network && { network }) };

  async function attempts(tool: Tool): Promise<ToolResult> {
    let reason = "";
    for (let replays = 0; ; replays += 1) {
      const id = replays === 0 ? call.id : `${call.id}.${replays}`;
      // What is run again, nobody has asked for before, or it is the same whoever did.
      const begun_seq = replays === 0 ? call.started_seq : null;
      const sandbox: ToolSandbox = {
        execute: (step, ...rest) => execute(`${id}:${step}`, begun_seq, ...rest),
      };
      try {
        const result = await hide(await tool.run(call.input, sandbox));
        return afterReplays(await bounded(result, (text) => keep(text, sandbox)), { reason, replays });
      } catch (error) {
        if (isForTheBrain(error)) throw error;
        if (!(error instanceof Lost)) return afterReplays(failed(failureText(error)), { reason, replays });
        reason = error.message;
        const again = tool.replay === "safe" && replays < limits.tool_replays_max && !signal.aborted;
        if (!again) return outcomeUnknown({ reason, replays });
      }
    }
  }

  async function execute(
    call_id: string,
    begun_seq: number | null,
    operation: ExecuteRequest["operation"],
    options: StepOptions = {},
  ) {
    const request: ExecuteRequest = {
      ...scope,
      call_id,
      operation,
      timeout_ms: options.timeout_ms ?? limits.bash_timeout_ms,
      output_bytes: options.output_bytes ?? limits.tool_output_bytes_max,
      keep_output_as: options.keep_output ? call.id : null,
      begun_seq,
    };
    const result = await runStep(hands, request, signal);
    if (result.restored) told.push(result.restored);
    if (result.network) used.push(result.network);
    return result;
  }
}

// What a tool does wrong is told to the model too: thrown, it would make the session try again for ever.
const failureText = (error: unknown): string =>
  error instanceof NoSandbox
    ? `No sandbox is available: ${error.message}`
    : `The tool failed: ${(error as Error).message}`;

/** Null when it could not be kept, or is more than a message to the sandbox's host: the call has been made all the same. */
async function keep(text: string, sandbox: ToolSandbox) {
  const data_base64 = Buffer.from(text).toString("base64");
  if (data_base64.length > limits.hands_line_bytes_max / 2) return null;
  try {
    return (await sandbox.execute("keep", { type: "keep", data_base64 }, { keep_output: true })).kept;
  } catch (error) {
    if (error instanceof Lost || error instanceof NoSandbox) return null;
    throw error;
  }
}

/** Keeps a text of a call that was not made in the sandbox where the session's commands can read it. */
export async function keepOutput(
  call: { id: string },
  text: string,
  hands: Hands,
  scope: SandboxScope & SandboxOrigin & Pick<ExecuteRequest, "restore_known">,
  signal: AbortSignal,
): Promise<Pick<ToolResult, "restored" | "network"> & { kept: KeptOutput | null }> {
  const told: Pick<ToolResult, "restored" | "network"> = {};
  const sandbox: ToolSandbox = {
    async execute(step, operation) {
      const result = await runStep(
        hands,
        {
          ...scope,
          call_id: `${call.id}:${step}`,
          operation,
          timeout_ms: limits.bash_timeout_ms,
          output_bytes: limits.tool_output_bytes_max,
          keep_output_as: call.id,
          begun_seq: null,
        },
        signal,
      );
      if (result.restored) told.restored = result.restored;
      if (result.network) told.network = result.network;
      return result;
    },
  };
  return { kept: await keep(text, sandbox), ...told };
}

/** Has all made that the first call needs. What goes wrong is told to the model: thrown, the session would try again for ever. */
export async function setUpSandbox(
  scope: SandboxScope & SandboxOrigin,
  hands: Pick<Hands, "setUp">,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<SetUpResult> {
  try {
    return await hands.setUp(scope, onProgress, signal);
  } catch (error) {
    if (isForTheBrain(error)) throw error;
    return { status: "unavailable", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Stops the one step of a call that can take long, if it still runs. */
export function cancelTool(call: { id: string }, hands: Hands, scope: SandboxScope): Promise<void> {
  return hands.cancel({ ...scope, call_id: `${call.id}:run` });
}
