import { z } from "zod";
import type { ExecuteResult, Operation, Restored } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import type { ToolDefinition } from "../models/model.ts";
import type { ToolResultContentBlock } from "../protocol/content.ts";
import type { Recovery } from "../protocol/events.ts";
import type { NetworkUse } from "../protocol/network-use.ts";

export interface ToolResult {
  content: ToolResultContentBlock[];
  is_error: boolean;
  /** What became of the call, where it was lost while it ran. */
  recovery?: Recovery;
  /** What became of the workspace, where the sandbox was not there any more. */
  restored?: Restored;
  /** What the sandbox used of the network, since it was told of last. */
  network?: NetworkUse | undefined;
}

/**
 * What to do when nobody can say how a call ended: a `safe` tool changes nothing, and its call is run again; of any other
 * the model is told that the outcome is unknown.
 */
export type ReplayPolicy = "safe" | "never";

/** A tool of the agent toolset: what the model sees of it, and what it does in the sandbox. */
export interface Tool {
  definition: ToolDefinition;
  replay: ReplayPolicy;
  run(input: Record<string, unknown>, sandbox: ToolSandbox): Promise<ToolResult>;
}

/**
 * The sandbox as one call sees it. Every step has a name; a call that is run again after a crash asks for the same
 * steps and gets the results that are already known, so a step runs once.
 */
export interface ToolSandbox {
  execute(step: string, operation: Operation, options?: StepOptions): Promise<Finished>;
}

export interface StepOptions {
  timeout_ms?: number;
  output_bytes?: number;
  /** An output with more bytes is kept in a file. A call has one. */
  keep_output?: boolean;
}

export function defineTool<Schema extends z.ZodType<object>>(tool: {
  name: string;
  description: string;
  input: Schema;
  replay: ReplayPolicy;
  run(input: z.infer<Schema>, sandbox: ToolSandbox): Promise<ToolResult>;
}): Tool {
  const { $schema: _, ...input_schema } = z.toJSONSchema(tool.input, { io: "input" });
  return {
    definition: { name: tool.name, description: tool.description, input_schema },
    replay: tool.replay,
    async run(input, sandbox) {
      const parsed = tool.input.safeParse(input);
      if (!parsed.success) return failed(`The input is not valid:\n${z.prettifyError(parsed.error)}`);
      return tool.run(parsed.data, sandbox);
    },
  };
}

export const succeeded = (text: string): ToolResult => ({
  content: [{ type: "text", text }],
  is_error: false,
});
export const failed = (text: string): ToolResult => ({ content: [{ type: "text", text }], is_error: true });

/** A script for plain sh and coreutils, given `args` as $1, $2, ... and never spliced into it. */
export const script = (text: string, args: string[], stdin: string | Buffer = ""): Operation => ({
  type: "exec",
  argv: ["sh", "-c", text, "sh", ...args],
  stdin_base64: Buffer.from(stdin).toString("base64"),
});

export type Finished = Extract<ExecuteResult, { status: "finished" }>;

export const stdout = (result: Finished): string => Buffer.from(result.output_base64, "base64").toString();

export const stderr = (result: Finished): string => Buffer.from(result.stderr_base64, "base64").toString();

/** The first half of what was handed over, when there was more, else all of it. */
export function head(result: Finished): Buffer {
  const bytes = Buffer.from(result.output_base64, "base64");
  return result.omitted_bytes === 0 ? bytes : bytes.subarray(0, Math.floor(bytes.length / 2));
}

/** What a failed file step says to the model, if it was not stopped: `problem`, or what the script has said. */
export function stepFailure(what: string, result: Finished, problem?: string): ToolResult {
  if (result.cancelled) return failed(`${what}: interrupted.`);
  if (result.timed_out) return failed(`${what}: no answer within ${limits.file_tool_timeout_ms / 1000} s.`);
  if (problem !== undefined) return failed(`${what}: ${problem}`);
  const said = stderr(result).trim();
  return failed(`${what}: ${said || `exit code ${result.exit_code}`}`);
}
