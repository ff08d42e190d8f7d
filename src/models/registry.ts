import { isReady, type ModelsConfig, namesOf, type ProviderConfig, resolveModel } from "../config/models.ts";
import { canSearch } from "../config/web.ts";
import { type Clock, createGate, type Gate, machineClock } from "./gate.ts";
import type { Candidate, Candidates, Model, Models, Relay } from "./model.ts";
import { providerModel, relayTo } from "./providers.ts";
import { servedBy } from "./served.ts";
import { simulatedModel } from "./simulated.ts";
import { contextWindow } from "./traits.ts";

const anthropic_judge = "claude-haiku-5-5";

/** Characters per second of `simulated/typing`: a fast human. */
const typing_chars_per_second = 10;

/** The models that the configuration leads to. One gate for each provider, whoever asks. */
export function createModels(config: ModelsConfig, clock: Clock = machineClock): Models & Candidates {
  const providers = new Map(
    [...config.providers.values()].map((provider): [string, Provider] => [
      provider.name,
      { config: provider, gate: createGate(provider, clock), ...connectionTo(provider) },
    ]),
  );
  const simulated = createGate({ max_concurrency: null, requests_per_minute: null }, clock);

  function candidateOf(modelId: string): { candidate: Candidate } | { missing: string } {
    const resolved = resolveModel(modelId, config);
    if (resolved?.provider === "simulated") {
      const found = simulatedAt(resolved.model);
      if ("missing" in found) return found;
      return {
        candidate: {
          provider: "simulated",
          modelId: resolved.model,
          model: found.model,
          gate: simulated,
          searches: false,
          relay: null,
        },
      };
    }
    const provider = providers.get(resolved?.provider ?? "");
    if (!resolved || !provider) return { missing: unknown(modelId, config) };
    const { model, relay, gate } = provider;
    const searches = canSearch(provider.config.type);
    if (model === null) return { missing: keyMissing(modelId, provider.config) };
    return {
      candidate: { provider: resolved.provider, modelId: resolved.model, model, gate, relay, searches },
    };
  }

  function candidatesFor(modelId: string): { candidates: Candidate[] } | { missing: string } {
    const first = candidateOf(modelId);
    const others = fallbacksOf(modelId, config).map(candidateOf);
    const candidates = [first, ...others].flatMap((found) => ("candidate" in found ? [found.candidate] : []));
    return candidates.length === 0 && "missing" in first ? first : { candidates };
  }

  return {
    candidatesFor,
    find(modelId) {
      const found = candidatesFor(modelId);
      return "missing" in found ? found : { model: servedBy(found.candidates) };
    },
    judgeOf(modelId) {
      const resolved = resolveModel(modelId, config);
      if (resolved?.provider === "simulated") return "simulated";
      if (config.judge !== null) return config.judge;
      const anthropic = providers.get("anthropic")?.model ?? null;
      return anthropic !== null || resolved?.provider === "anthropic" ? anthropic_judge : modelId;
    },
    contextWindow(modelId) {
      const names = namesOf(modelId, config);
      const set = names.flatMap((name) => config.context_windows.get(name) ?? []);
      return set[0] ?? contextWindow(names.at(-1) ?? modelId);
    },
  };
}

interface Provider {
  config: ProviderConfig;
  gate: Gate;
  /** Null: its key is missing. */
  model: Model | null;
  relay: Relay | null;
}

const connectionTo = (provider: ProviderConfig): Pick<Provider, "model" | "relay"> =>
  isReady(provider)
    ? { model: providerModel(provider), relay: relayTo(provider) }
    : { model: null, relay: null };

/** Those of the id itself, or else of what it stands for. */
const fallbacksOf = (modelId: string, config: ModelsConfig): string[] => {
  const named = namesOf(modelId, config).find((name) => config.fallbacks.has(name));
  return config.fallbacks.get(named ?? "") ?? [];
};

function simulatedAt(modelId: string): { model: Model } | { missing: string } {
  if (modelId === "simulated") return { model: simulatedModel({ chars_per_second: null }) };
  const speed = modelId.slice("simulated/".length);
  if (speed === "typing") return { model: simulatedModel({ chars_per_second: typing_chars_per_second }) };
  if (/^[1-9]\d{0,6}$/.test(speed)) return { model: simulatedModel({ chars_per_second: Number(speed) }) };
  return {
    missing: `The simulated model has no speed "${speed}". Use "simulated" for no delay, "simulated/typing", or characters per second such as "simulated/300".`,
  };
}

const keyMissing = (modelId: string, { key_from }: ProviderConfig) =>
  `${key_from} is not set, and the model "${modelId}" needs it. Set it and restart the server, or give the agent the model "simulated".`;

function unknown(modelId: string, { providers }: ModelsConfig): string {
  const names = [...providers.keys()].map((name) => `"${name}/<model>"`).join(", ");
  return `No provider is known for the model "${modelId}". This server runs "claude-...", ${names}, and "simulated".`;
}
