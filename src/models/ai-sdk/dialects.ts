import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type { LanguageModelV4, SharedV4ProviderOptions } from "@ai-sdk/provider";
import type { Effort, ModelRequest } from "../model.ts";
import type { WebSearch } from "../web-search.ts";
import type { Accepts } from "./prompt.ts";
import { googleSearch, openaiSearch, type SearchOptions } from "./search.ts";

export type AiSdkType = "openai" | "google" | "mistral" | "openai-compatible";

/** How one vendor is spoken to. */
export interface Dialect extends Accepts {
  model(modelId: string): LanguageModelV4;
  effort(effort: Effort): Effort;
  /** How the vendor is asked to search the web; null: it cannot. */
  search: ((search: WebSearch) => SearchOptions) | null;
  /** Goes along with a request. */
  options(request: Pick<ModelRequest, "cache_key">): SharedV4ProviderOptions;
}

export interface Upstream {
  /** Null where none is needed: a server of one's own. */
  api_key: string | null;
  base_url: string;
  fetch: typeof fetch;
}

/** Of the SDKs a process loads those alone that it is configured for. */
const load = createRequire(import.meta.url);

/** The SDKs look for what they are not given in the environment, so they are given all of it. */
export function dialectOf(type: AiSdkType, { api_key, base_url: baseURL, fetch }: Upstream): Dialect {
  const apiKey = api_key ?? "";
  switch (type) {
    case "openai": {
      const { createOpenAI } = load("@ai-sdk/openai") as typeof import("@ai-sdk/openai");
      const openai = createOpenAI({ apiKey, baseURL, fetch });
      return {
        ...common,
        model: (id) => openai.responses(id),
        system_messages: "kept",
        result_media: "in_result",
        pdf_urls: true,
        search: openaiSearch,
        // Nothing is left with the vendor: thoughts come back sealed, and we keep them. Nobody reads a summary.
        options: (request) => ({ openai: { store: false, reasoningSummary: null, ...cacheKeyOf(request) } }),
      };
    }
    case "google": {
      const { createGoogle } = load("@ai-sdk/google") as typeof import("@ai-sdk/google");
      const google = createGoogle({ apiKey, baseURL, fetch });
      return {
        ...common,
        model: (id) => google(id),
        result_media: "in_result",
        pdf_urls: true,
        search: googleSearch,
        effort: (effort) => (effort === "low" || effort === "medium" ? effort : "high"),
      };
    }
    case "mistral": {
      const { createMistral } = load("@ai-sdk/mistral") as typeof import("@ai-sdk/mistral");
      const mistral = createMistral({ apiKey, baseURL, fetch });
      return {
        ...common,
        model: (id) => mistral(id),
        pdf_urls: true,
        callId: nineCharacters,
        options: (request) => ({ mistral: cacheKeyOf(request) }),
      };
    }
    case "openai-compatible": {
      const { createOpenAICompatible } = load(
        "@ai-sdk/openai-compatible",
      ) as typeof import("@ai-sdk/openai-compatible");
      const key = api_key === null ? {} : { apiKey };
      const compatible = createOpenAICompatible({
        name: "compatible",
        baseURL,
        fetch,
        includeUsage: true,
        supportsStructuredOutputs: true,
        ...key,
      });
      return {
        ...common,
        model: (id) => compatible(id),
        effort: (effort) => (effort === "low" || effort === "medium" ? effort : "high"),
      };
    }
  }
}

const common = {
  system_messages: "user_text",
  result_media: "after",
  pdf_urls: false,
  callId: (id: string) => id,
  effort: (effort: Effort) => effort,
  search: null,
  options: () => ({}),
} as const;

const cacheKeyOf = ({ cache_key }: Pick<ModelRequest, "cache_key">) =>
  cache_key === undefined ? {} : { promptCacheKey: cache_key };

/** Mistral takes no other ids. */
const nineCharacters = (id: string): string =>
  /^[a-zA-Z0-9]{9}$/.test(id) ? id : createHash("sha256").update(id).digest("hex").slice(0, 9);
