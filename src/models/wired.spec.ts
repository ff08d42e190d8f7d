import { anthropicWire } from "../../test/fakes/anthropic.ts";
import { googleWire } from "../../test/fakes/google.ts";
import { mistralWire } from "../../test/fakes/mistral.ts";
import { openaiChatWire } from "../../test/fakes/openai-chat.ts";
import { openaiResponsesWire } from "../../test/fakes/openai-responses.ts";
import { limits } from "../limits.ts";
import { aiSdkModel } from "./ai-sdk.ts";
import { anthropicModel } from "./anthropic.ts";
import type { Wired } from "./wire.spec.ts";

const api_key = "key-of-the-provider";
const usual = { usage_from_the_start: false, refusals: true } as const;

/** Every provider with a wire format of its own. */
export const allWired: Wired[] = [
  {
    name: "anthropic",
    wire: anthropicWire,
    modelId: "claude-opus-5-5",
    call_arguments: "text",
    usage_from_the_start: true,
    refusals: true,
    model: (base_url, idle_ms = limits.model_idle_ms) => anthropicModel({ api_key, base_url, idle_ms }),
  },
  {
    name: "openai",
    wire: openaiResponsesWire,
    modelId: "gpt-5.2",
    call_arguments: "text",
    ...usual,
    model: (base_url, idle_ms = limits.model_idle_ms) =>
      aiSdkModel({ type: "openai", name: "openai", api_key, base_url, idle_ms }),
  },
  {
    name: "google",
    wire: googleWire,
    modelId: "gemini-3-pro-preview",
    call_arguments: "object",
    ...usual,
    usage_from_the_start: true,
    model: (base_url, idle_ms = limits.model_idle_ms) =>
      aiSdkModel({ type: "google", name: "google", api_key, base_url, idle_ms }),
  },
  {
    name: "mistral",
    wire: mistralWire,
    modelId: "mistral-medium-latest",
    call_arguments: "text",
    ...usual,
    refusals: false,
    model: (base_url, idle_ms = limits.model_idle_ms) =>
      aiSdkModel({ type: "mistral", name: "mistral", api_key, base_url, idle_ms }),
  },
  {
    name: "openai-compatible",
    wire: openaiChatWire,
    modelId: "qwen3:32b",
    call_arguments: "text",
    ...usual,
    model: (base_url, idle_ms = limits.model_idle_ms) =>
      aiSdkModel({ type: "openai-compatible", name: "local", api_key: null, base_url, idle_ms }),
  },
];
