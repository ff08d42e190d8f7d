import {
  type LanguageModelV4CallOptions,
  type LanguageModelV4ToolChoice,
  type SharedV4ProviderOptions,
  type SharedV4Warning,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import { limits } from "../limits.ts";
import { startAnswer } from "./ai-sdk/answer.ts";
import { type AiSdkType, type Dialect, dialectOf } from "./ai-sdk/dialects.ts";
import { failureOf } from "./ai-sdk/failure.ts";
import { promptOf } from "./ai-sdk/prompt.ts";
import { startSearched } from "./ai-sdk/search.ts";
import { cutShort } from "./broken.ts";
import type { AnswerOptions, Model, ModelFailure, ModelRequest } from "./model.ts";
import { wellFormed } from "./sendable.ts";
import { upstreamFetch } from "./upstream-fetch.ts";

export interface AiSdkOptions {
  type: AiSdkType;
  /** The name of the provider in the configuration. */
  name: string;
  api_key: string | null;
  base_url: string;
  /** Silence, in `ms`, after which a connection counts as broken. */
  idle_ms?: number;
}

/** A vendor that an AI SDK provider speaks to. Only that: retries and what an answer becomes are ours. */
export function aiSdkModel({ type, name, idle_ms = limits.model_idle_ms, ...upstream }: AiSdkOptions): Model {
  const dialect = dialectOf(type, { ...upstream, fetch: upstreamFetch(idle_ms) });
  return {
    async *stream(request, signal) {
      const left = new AbortController();
      const answer = startAnswer(name);
      const search = request.search ? startSearched() : null;
      let failure: ModelFailure | null = null;
      try {
        const abortSignal = AbortSignal.any([signal, left.signal]);
        abortSignal.throwIfAborted();
        const options = callOptions(wellFormed(request), name, dialect);
        const { stream } = await dialect.model(request.model).doStream({ ...options, abortSignal });
        for await (const part of stream) {
          if (signal.aborted) break;
          search?.take(part);
          if (part.type === "stream-start" && request.options) refuseUnsupported(part.warnings);
          yield* answer.take(part);
        }
      } catch (error) {
        failure = failureOf(error, name);
      } finally {
        left.abort();
      }
      const ended = { usage: answer.usage(), ...(search ? { searched: search.searched() } : {}) };
      // Whatever happens to the connection once the answer is complete, the answer stands.
      if (answer.isComplete()) yield { ...answer.finished(), ...ended };
      else if (signal.aborted) yield { type: "aborted", ...ended };
      else yield { type: "failed", failure: failure ?? failureOf(cutShort(), name), ...ended };
    },
  };
}

/** What somebody asked for is not left out behind their back. */
function refuseUnsupported(warnings: SharedV4Warning[]): void {
  const refused = warnings.find((warning) => warning.type === "unsupported");
  if (!refused) return;
  const functionality = refused.details ? `${refused.feature} (${refused.details})` : refused.feature;
  throw new UnsupportedFunctionalityError({ functionality });
}

function callOptions(request: ModelRequest, provider: string, dialect: Dialect): LanguageModelV4CallOptions {
  const { tools, effort, answer, options, search } = request;
  const searching = search ? dialect.search?.(search) : undefined;
  return {
    prompt: promptOf(request, provider, dialect),
    includeRawChunks: true,
    ...(options && optionsOf(options)),
    ...(effort ? { reasoning: dialect.effort(effort) } : {}),
    ...(tools.length > 0
      ? {
          tools: tools.map(({ name, description, input_schema: inputSchema, strict }) => ({
            type: "function" as const,
            name,
            description,
            inputSchema,
            ...(strict !== undefined && { strict }),
          })),
        }
      : {}),
    ...(answer
      ? {
          maxOutputTokens: answer.tokens_max,
          responseFormat: { type: "json", schema: answer.schema, name: answer.name },
        }
      : {}),
    ...(search ? { maxOutputTokens: search.tokens_max } : {}),
    ...searching,
    providerOptions: merged(dialect.options(request), searching?.providerOptions),
  };
}

/** Both are of the same vendor. */
const merged = (
  options: SharedV4ProviderOptions,
  more: SharedV4ProviderOptions = {},
): SharedV4ProviderOptions => ({
  ...options,
  ...Object.fromEntries(
    Object.entries(more).map(([vendor, values]) => [vendor, { ...options[vendor], ...values }]),
  ),
});

const optionsOf = (options: AnswerOptions): Partial<LanguageModelV4CallOptions> => ({
  maxOutputTokens: options.tokens_max,
  stopSequences: options.stop_sequences,
  temperature: options.temperature,
  topP: options.top_p,
  topK: options.top_k,
  toolChoice: options.tool_choice && toolChoiceOf(options.tool_choice),
  reasoning: options.thinking === "off" ? "none" : undefined,
});

function toolChoiceOf(choice: NonNullable<AnswerOptions["tool_choice"]>): LanguageModelV4ToolChoice {
  if (choice.type === "tool") return { type: "tool", toolName: choice.name };
  return { type: choice.type === "any" ? "required" : choice.type };
}
