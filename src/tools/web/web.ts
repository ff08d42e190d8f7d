import type { SearchSettings } from "../../config/web.ts";
import type { ToolDefinition } from "../../models/model.ts";
import type { Guard } from "../../net/guard.ts";
import { failed } from "../tool.ts";
import { brave } from "./brave.ts";
import { webFetch } from "./fetch.ts";
import { createReader } from "./reader.ts";
import { webSearch } from "./search.ts";
import type { SearchProvider } from "./search-provider.ts";
import { searxng } from "./searxng.ts";
import { type AskModel, vendorSearch } from "./vendor.ts";
import type { WebToolResult, WebUse } from "./web-tool.ts";

/** The tools that run in the server: those of them that this one has what it takes for. */
export interface WebTools {
  definitions: readonly ToolDefinition[];
  has(name: string): boolean;
  /** Never rejects: what goes wrong is told to the model. */
  run(call: { name: string; input: Record<string, unknown> }, use: WebUse): Promise<WebToolResult>;
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
    definitions: tools.map(({ definition }) => definition),
    has: (name) => named(name) !== undefined,
    async run({ name, input }, use) {
      try {
        return (await named(name)?.run(input, use)) ?? failed(`The tool "${name}" is not available.`);
      } catch (error) {
        // Thrown, it would make the session try again for ever.
        return failed(`unavailable: ${error instanceof Error ? error.message : String(error)}`);
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
