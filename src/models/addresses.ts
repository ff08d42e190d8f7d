import type { ProviderConfig } from "../config/models.ts";
import type { AiSdkType } from "./ai-sdk/dialects.ts";

/** Where a vendor is, unless the configuration says otherwise. Null: it has to. */
const publicUrls: Record<AiSdkType, string | null> = {
  openai: "https://api.openai.com/v1",
  google: "https://generativelanguage.googleapis.com/v1beta",
  mistral: "https://api.mistral.ai/v1",
  "openai-compatible": null,
};

/** Where a provider is asked. */
export function addressOf({ type, base_url, region, resource }: ProviderConfig): string {
  if (base_url !== null) return base_url;
  switch (type) {
    case "anthropic":
      return "https://api.anthropic.com";
    case "bedrock":
      return `https://bedrock-mantle.${region}.api.aws/anthropic`;
    case "vertex":
      return vertexUrl(region ?? "");
    case "foundry":
      return `https://${resource}.services.ai.azure.com/anthropic`;
    default:
      return publicUrls[type] ?? "";
  }
}

function vertexUrl(region: string): string {
  if (region === "global") return "https://aiplatform.googleapis.com/v1";
  if (region === "us" || region === "eu") return `https://aiplatform.${region}.rep.googleapis.com/v1`;
  return `https://${region}-aiplatform.googleapis.com/v1`;
}
