import { vendorTypes } from "../config/models.ts";
import type { ModelFailure } from "./model.ts";

/** What to look at when a provider refuses a key or does not know a model. */
export function hintOf(kind: ModelFailure["kind"], provider: string): string {
  const variable = (setting: "api_key" | "base_url") => {
    const inFile = `models.providers.${provider}.${setting}`;
    const isVendor = vendorTypes.some((name) => name === provider);
    return isVendor ? `DROVER_${provider.toUpperCase()}_${setting.toUpperCase()} or ${inFile}` : inFile;
  };
  if (kind === "authentication") return ` Check ${variable("api_key")}.`;
  if (kind === "not_configured") return ` Check the model's name and ${variable("base_url")}.`;
  return "";
}
