import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool";
import { ToolError } from "@anthropic-ai/sdk/lib/tools/ToolError";
import type { Hands, SandboxOrigin, SandboxScope } from "../hands/client.ts";
import { runTool, toolset } from "../tools/toolset.ts";

const never = new AbortController().signal;

/**
 * The agent's tools for the SDK's worker: they run in the session's sandbox. A call is known there by the id of its event and
 * runs once, whichever worker of this host asks for it.
 */
export const sandboxTools = (
  hands: Hands,
  scope: SandboxScope,
  { spec, mounts }: Pick<SandboxOrigin, "spec" | "mounts">,
): BetaRunnableTool[] =>
  toolset.map(({ definition: { name, description, input_schema } }) => ({
    type: "custom",
    name,
    description,
    input_schema: { ...input_schema, type: "object" },
    parse: (input) => input,
    async run(input, context) {
      const call = { id: context?.toolUse.id ?? crypto.randomUUID(), name, input, started_seq: null };
      // The workspace is this host's: there is none to bring back from elsewhere.
      const origin = { spec, restore: false, mounts, restore_known: null };
      const { content, is_error } = await runTool(
        call,
        hands,
        { ...scope, ...origin },
        context?.signal ?? never,
      );
      // Sent as they are, to an API that takes one form of document more than the SDK's type of them.
      const blocks = content as Exclude<ToolError["content"], string>;
      if (is_error) throw new ToolError(blocks);
      return blocks;
    },
  }));
