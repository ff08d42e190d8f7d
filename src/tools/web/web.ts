import type { SearchSettings } from "../../config/web.ts";
import { limits } from "../../limits.ts";
import type { Guard } from "../../net/guard.ts";
import { afterReplays, outcomeUnknown } from "../replay.ts";
import { failed } from "../tool.ts";
import { brave } from "./brave.ts";
import { webFetch } from "./fetch.ts";
import { createReader } from "./reader.ts";
import { webSearch } from "./search.ts";
import type { SearchProvider } from "./search-provider.ts";
import { searxng } from "./searxng.ts";
import { type AskModel, vendorSearch } from "./vendor.ts";
import type { WebTool, WebToolResult, WebUse } from "./web-tool.ts";

/** The tools that run in the server: those of them that this one has what it takes for. */
export interface WebTools {
  tools: readonly WebTool[];
  has(name: string): boolean;
  /** Never rejects: what goes wrong is told to the model. `starts`: how often servers have begun to run the call before. */
  run(
    call: { name: string; input: Record<string, unknown>; starts: number },
    use: WebUse,
  ): Promise<WebToolResult>;
  close(): void;
}

export function createWebTools(settings: {
  guard: Guard;
  search: SearchSettings | null;
  askModel: AskModel;
}): WebTools {
  const reader = createReader();
  const { guard, search, askModel } = settings;
  const tools = [webFetch({ guard, reader }), ...(search ? [webSearch(providerOf(search, askModel))] : [])];
  const named = (name: string) => tools.find((tool) => tool.definition.name === name);
  return {
    tools,
    has: (name) => named(name) !== undefined,
    async run({ name, input, starts: replays }, use) {
      const reason = "the server that ran it ended, or gave the session up";
      if (replays > limits.tool_replays_max)
        return outcomeUnknown({ reason, replays: limits.tool_replays_max });
      try {
        const result = (await named(name)?.run(input, use)) ?? failed(`The tool "${name}" is not available.`);
        return afterReplays(result, { reason, replays });
      } catch (error) {
        // Thrown, it would make the session try again for ever.
        const why = error instanceof Error ? error.message : String(error);
        return afterReplays(failed(`unavailable: ${why}`), { reason, replays });
      }
    },
    close: () => reader.close(),
  };
}

function providerOf(settings: SearchSettings, askModel: AskModel): SearchProvider {
  switch (settings.provider) {
    case "searxng":
      return searxng(settings);
    case "brave":
      return brave(settings);
    case "vendor":
      return vendorSearch({ model: settings.model, askModel });
  }
}
