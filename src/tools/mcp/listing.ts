import { z } from "zod";
import { limits } from "../../limits.ts";
import type { McpTool } from "../../protocol/mcp-tools.ts";
import { hidesCharacters, withoutHidden } from "./hidden.ts";
import { schemaProblem, shownSchema } from "./schema.ts";

/** A tool of a server that no session can use, and why, as the end of a sentence that begins with its name. */
export interface LeftOut {
  name: string;
  reason: string;
}

/** One page as a server sends it. What its tools are is looked at one by one, so that none takes the others with it. */
export const toolsPage = z.looseObject({
  tools: z.array(z.unknown()),
  nextCursor: z.string().optional(),
});

const offeredTool = z.looseObject({
  name: z.string(),
  description: z.string().nullish().catch(null),
  inputSchema: z.unknown().optional(),
  annotations: z
    .looseObject({
      readOnlyHint: z.boolean().nullish().catch(null),
      idempotentHint: z.boolean().nullish().catch(null),
    })
    .nullish()
    .catch(null),
});

/**
 * The tools of a server as sessions use them. Nothing that it says is believed to be well meant: what a vendor's model could
 * refuse would end every later turn, and what is too much, or hidden from whoever looks at it, is no description.
 */
export function usableTools(offered: readonly unknown[]): { tools: McpTool[]; left_out: LeftOut[] } {
  const tools: McpTool[] = [];
  const left_out: LeftOut[] = [];
  const names = new Set<string>();
  let chars = 0;
  for (const item of offered) {
    const tool = usableTool(item);
    if ("reason" in tool) left_out.push(tool);
    else if (names.has(tool.name)) left_out.push({ name: tool.name, reason: "is offered twice" });
    else if (tools.length >= limits.mcp_tools_max) {
      left_out.push({ name: tool.name, reason: `is more than ${limits.mcp_tools_max} tools` });
    } else {
      const length = JSON.stringify(tool).length;
      if (chars + length > limits.mcp_tools_chars_max) {
        left_out.push({ name: tool.name, reason: "makes the descriptions too long, together" });
        continue;
      }
      chars += length;
      names.add(tool.name);
      tools.push(tool);
    }
  }
  return { tools, left_out };
}

function usableTool(item: unknown): McpTool | LeftOut {
  const parsed = offeredTool.safeParse(item);
  if (!parsed.success) return { name: "", reason: "is no tool" };
  const { name, description, inputSchema, annotations } = parsed.data;
  const shownName = withoutHidden(name).replace(/\s+/g, " ").slice(0, limits.mcp_tool_name_chars_max);
  if (name === "" || name.length > limits.mcp_tool_name_chars_max)
    return { name: shownName, reason: `has no name of 1 to ${limits.mcp_tool_name_chars_max} characters` };
  if (hidesCharacters(name) || /\p{Cc}/u.test(name))
    return { name: shownName, reason: "hides characters in its name" };
  const problem = schemaProblem(inputSchema);
  if (problem !== null) return { name, reason: `has an input schema that ${problem}` };
  const { input_schema, said } = shownSchema(inputSchema as Record<string, unknown>);
  const text = [withoutHidden(description ?? "").trim(), said].filter((part) => part !== "").join("\n\n");
  return {
    name,
    description: text.slice(0, limits.mcp_description_chars_max).toWellFormed(),
    input_schema,
    repeatable: annotations?.readOnlyHint === true || annotations?.idempotentHint === true,
  };
}
