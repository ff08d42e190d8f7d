import { z } from "zod";
import { isReady, type ModelsConfig, type ProviderConfig, resolveModel } from "../config/models.ts";
import { limits } from "../limits.ts";
import { type ModelInfo, modelInfo } from "../protocol/models.ts";
import { type Clock, machineClock } from "./gate.ts";
import { askForModels } from "./probe.ts";

/** The models that clients can ask for, as far as their providers tell. */
export interface ModelListing {
  /** Aliases, and then the newest first. */
  all(): Promise<ModelInfo[]>;
  /** Of a model, or of what an alias stands for; null where nobody knows it. */
  find(modelId: string): Promise<ModelInfo | null>;
}

/** By the provider's name. Null: it has no list, or none could be had. */
type Lists = Map<string, ModelInfo[] | null>;

/** `trouble` hears of a provider that could not be asked. */
export function modelListing(
  config: ModelsConfig,
  trouble: (message: string, error: unknown) => void,
  clock: Pick<Clock, "now"> = machineClock,
): ModelListing {
  let kept: { at: number; lists: Promise<Lists> } | null = null;

  async function listOf(provider: ProviderConfig): Promise<ModelInfo[] | null> {
    try {
      return (await askForModels(provider))?.flatMap((entry) => infoOf(entry, provider.name)) ?? null;
    } catch (error) {
      trouble(`the models of the provider "${provider.name}" could not be listed`, error);
      return null;
    }
  }

  async function askAll(): Promise<Lists> {
    const ready = [...config.providers.values()].filter(isReady);
    const lists = await Promise.all(
      ready.map(async (provider) => [provider.name, await listOf(provider)] as const),
    );
    return new Map([...lists, ["simulated", [unknownModel("simulated"), unknownModel("simulated/typing")]]]);
  }

  function present(): Promise<Lists> {
    if (kept === null || clock.now() - kept.at > limits.model_list_ms)
      kept = { at: clock.now(), lists: askAll() };
    return kept.lists;
  }

  function known(modelId: string, lists: Lists): ModelInfo | null {
    const resolved = resolveModel(modelId, config);
    const list = resolved ? lists.get(resolved.provider) : undefined;
    if (!resolved || list === undefined) return null;
    const id = idAt(resolved.provider, resolved.model);
    return list === null ? unknownModel(id) : (list.find((info) => info.id === id) ?? null);
  }

  return {
    async all() {
      const lists = await present();
      const aliases = [...config.aliases.keys()].flatMap((alias) => {
        const info = known(alias, lists);
        return info ? [{ ...info, id: alias }] : [];
      });
      const models = [...lists.values()].flatMap((list) => list ?? []);
      return [...aliases, ...models.toSorted((a, b) => b.created_at.localeCompare(a.created_at))];
    },
    find: async (modelId) => known(modelId, await present()),
  };
}

/** The shortest id that leads there. */
function idAt(provider: string, model: string): string {
  const isBare = provider === "simulated" || (provider === "anthropic" && model.startsWith("claude-"));
  return isBare ? model : `${provider}/${model}`;
}

const unix_epoch = new Date(0).toISOString();

const unknownModel = (id: string): ModelInfo => ({
  type: "model",
  id,
  display_name: id,
  created_at: unix_epoch,
  lifecycle: "active",
  deprecated_at: null,
  retires_at: null,
  line: null,
  max_input_tokens: null,
  max_tokens: null,
  capabilities: null,
});

/** The last second that a `Date` knows. */
const latest_seconds = 8.64e12;

/** How vendors write an entry of their lists, all fields taken together. */
const vendorEntry = z.object({
  id: z.string().optional(),
  name: z.string().optional(),
  type: z.string().optional(),
  created: z.number().min(0).max(latest_seconds).optional(),
  displayName: z.string().optional(),
  inputTokenLimit: z.number().optional(),
  outputTokenLimit: z.number().optional(),
  supportedGenerationMethods: z.array(z.string()).optional(),
});

function infoOf(entry: unknown, provider: string): ModelInfo[] {
  const parsed = vendorEntry.safeParse(entry);
  if (!parsed.success) return [];
  const { id, name, type, created, displayName, supportedGenerationMethods: methods } = parsed.data;
  const model = id ?? name?.replace(/^models\//, "");
  if (!model || (methods && !methods.includes("generateContent"))) return [];
  const nameless = unknownModel(idAt(provider, model));
  if (type === "model") {
    const described = modelInfo.safeParse({ ...nameless, ...(entry as object), id: nameless.id });
    if (described.success) return [described.data];
  }
  return [
    {
      ...nameless,
      display_name: displayName ?? model,
      created_at: created === undefined ? unix_epoch : new Date(created * 1_000).toISOString(),
      max_input_tokens: parsed.data.inputTokenLimit ?? null,
      max_tokens: parsed.data.outputTokenLimit ?? null,
    },
  ];
}
