import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import { z } from "zod";
import { type ModelUsage, noUsage } from "../model.ts";

/** What an answer has taken, once it is whole. */
export function usageOf({ inputTokens, outputTokens }: LanguageModelV4Usage): ModelUsage {
  const read = inputTokens.cacheRead ?? 0;
  const written = inputTokens.cacheWrite ?? 0;
  return {
    ...noUsage,
    input_tokens: tokens(inputTokens.noCache ?? (inputTokens.total ?? 0) - read - written),
    output_tokens: tokens(outputTokens.total ?? 0),
    cache_read_input_tokens: tokens(read),
    cache_creation_5m_input_tokens: tokens(written),
  };
}

const count = z.number().nullish();

const google = z.object({
  usageMetadata: z.object({
    promptTokenCount: count,
    toolUsePromptTokenCount: count,
    cachedContentTokenCount: count,
    candidatesTokenCount: count,
    thoughtsTokenCount: count,
  }),
});

const chat = z.object({
  usage: z.object({
    prompt_tokens: z.number(),
    completion_tokens: count,
    prompt_tokens_details: z.object({ cached_tokens: count }).nullish(),
  }),
});

/** What it has taken so far, where the vendor counts in each piece of a stream, as it came. Null: this one says nothing. */
export function usageSoFar(piece: unknown): ModelUsage | null {
  const { usageMetadata } = google.safeParse(piece).data ?? {};
  if (usageMetadata) {
    const { promptTokenCount, toolUsePromptTokenCount, cachedContentTokenCount } = usageMetadata;
    const { candidatesTokenCount, thoughtsTokenCount } = usageMetadata;
    return counted({
      prompt: (promptTokenCount ?? 0) + (toolUsePromptTokenCount ?? 0),
      cached: cachedContentTokenCount ?? 0,
      output: (candidatesTokenCount ?? 0) + (thoughtsTokenCount ?? 0),
    });
  }
  const { usage } = chat.safeParse(piece).data ?? {};
  if (!usage) return null;
  return counted({
    prompt: usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output: usage.completion_tokens ?? 0,
  });
}

const counted = ({ prompt, cached, output }: { prompt: number; cached: number; output: number }) => ({
  ...noUsage,
  input_tokens: tokens(prompt - cached),
  output_tokens: tokens(output),
  cache_read_input_tokens: tokens(cached),
});

/** Servers that miscount are not to give anything back. */
const tokens = (said: number): number => Math.max(0, Math.round(said));
