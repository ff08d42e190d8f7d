import { type AnthropicOptions, anthropicModel } from "./anthropic.ts";
import type { Model, Models } from "./model.ts";
import { simulatedModel } from "./simulated.ts";

export interface ModelSettings {
  anthropic: AnthropicOptions | null;
  /** Judges the calls of every agent but those on the simulated model, which judges its own. */
  judge_model?: string | null;
}

const anthropic_judge = "claude-haiku-5-5";

/** Characters per second of `simulated/typing`: a fast human. */
const typing_chars_per_second = 10;

export function createModels(settings: ModelSettings): Models {
  const anthropic = settings.anthropic && anthropicModel(settings.anthropic);
  const simulated = simulatedModel({ chars_per_second: null });

  return {
    find(modelId) {
      if (modelId === "simulated") return { model: simulated };
      if (modelId.startsWith("simulated/")) return simulatedAt(modelId.slice("simulated/".length));
      if (modelId.startsWith("anthropic/") || modelId.startsWith("claude-")) {
        return anthropic ? { model: anthropic } : { missing: keyMissing(modelId) };
      }
      return { missing: unknown(modelId) };
    },
    judgeOf(modelId) {
      return isSimulated(modelId) ? "simulated" : (settings.judge_model ?? anthropic_judge);
    },
  };
}

const isSimulated = (modelId: string) => modelId === "simulated" || modelId.startsWith("simulated/");

function simulatedAt(speed: string): { model: Model } | { missing: string } {
  if (speed === "typing") return { model: simulatedModel({ chars_per_second: typing_chars_per_second }) };
  if (/^[1-9]\d{0,6}$/.test(speed)) return { model: simulatedModel({ chars_per_second: Number(speed) }) };
  return {
    missing: `The simulated model has no speed "${speed}". Use "simulated" for no delay, "simulated/typing", or characters per second such as "simulated/300".`,
  };
}

const keyMissing = (modelId: string) =>
  `DROVER_ANTHROPIC_API_KEY is not set, and the model "${modelId}" needs it. Set it and restart the server, or give the agent the model "simulated".`;

const unknown = (modelId: string) =>
  `No provider is known for the model "${modelId}". This version runs "claude-..." and "anthropic/<model>" (with DROVER_ANTHROPIC_API_KEY set), and "simulated".`;
