import type { ProviderConfig } from "../config/models.ts";
import { addressOf } from "./addresses.ts";
import { aiSdkModel } from "./ai-sdk.ts";
import { itself, type Platform } from "./anthropic/client.ts";
import { foundry, vertex } from "./anthropic/platforms.ts";
import { messagesRelay } from "./anthropic/relay.ts";
import { anthropicModel } from "./anthropic.ts";
import { loggable } from "./loggable.ts";
import type { Model, Relay } from "./model.ts";

/** The model behind a provider of the configuration. */
export const providerModel = (provider: ProviderConfig): Model =>
  loggable(modelOf(provider), provider.api_key);

function modelOf(provider: ProviderConfig): Model {
  const { type, name } = provider;
  const base_url = addressOf(provider);
  switch (type) {
    case "anthropic":
    case "bedrock":
    case "vertex":
    case "foundry":
      return anthropicModel({
        name,
        api_key: provider.api_key ?? "",
        base_url,
        platform: platformOf(provider),
      });
    default:
      return aiSdkModel({ type, name, api_key: provider.api_key, base_url });
  }
}

/** Null: the provider speaks another language. */
export function relayTo(provider: ProviderConfig): Relay | null {
  const { type, api_key } = provider;
  if (type !== "anthropic" && type !== "bedrock" && type !== "vertex" && type !== "foundry") return null;
  return messagesRelay({
    api_key: api_key ?? "",
    base_url: addressOf(provider),
    platform: platformOf(provider),
  });
}

function platformOf({ type, project, region }: ProviderConfig): Platform {
  if (type === "foundry") return foundry;
  if (type === "vertex" && project !== null && region !== null) return vertex({ project, region });
  return itself;
}
