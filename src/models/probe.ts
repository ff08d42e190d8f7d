import type { ProviderConfig } from "../config/models.ts";
import { limits } from "../limits.ts";
import { addressOf } from "./providers.ts";

export type Reached =
  | { state: "reachable"; models: number | null }
  | { state: "missing"; setting: string }
  | { state: "unreachable"; reason: string };

/** Asks a provider for its list of models, which costs nothing. */
export async function reach(provider: ProviderConfig): Promise<Reached> {
  const { api_key, key_from } = provider;
  if (api_key === null && key_from !== null) return { state: "missing", setting: key_from };
  const question = questionFor(provider);
  if (question === null) return { state: "reachable", models: null };
  try {
    const response = await fetch(question.url, {
      headers: question.headers,
      signal: AbortSignal.timeout(limits.model_probe_ms),
    });
    if (!response.ok) return { state: "unreachable", reason: `it answers ${response.status}` };
    return { state: "reachable", models: countIn(await response.json()) };
  } catch (error) {
    const { cause, message } = error as Error;
    return { state: "unreachable", reason: cause instanceof Error ? cause.message || message : message };
  }
}

/** Null: the platform has no such list. */
function questionFor(provider: ProviderConfig): { url: string; headers: Record<string, string> } | null {
  const { type, api_key } = provider;
  const base = addressOf(provider).replace(/\/$/, "");
  const bearer: Record<string, string> = api_key === null ? {} : { authorization: `Bearer ${api_key}` };
  switch (type) {
    case "anthropic":
      return { url: `${base}/v1/models`, headers: { ...bearer, "anthropic-version": "2023-06-01" } };
    case "google":
      return { url: `${base}/models`, headers: { "x-goog-api-key": api_key ?? "" } };
    case "openai":
    case "mistral":
    case "openai-compatible":
      return { url: `${base}/models`, headers: bearer };
    default:
      return null;
  }
}

/** `data` at most vendors, `models` at Google. */
function countIn(body: unknown): number | null {
  const { data, models } = (body ?? {}) as { data?: unknown; models?: unknown };
  const list = data ?? models;
  return Array.isArray(list) ? list.length : null;
}
