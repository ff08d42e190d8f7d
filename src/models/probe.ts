import type { ProviderConfig } from "../config/models.ts";
import { limits } from "../limits.ts";
import { hintOf } from "./hints.ts";
import { addressOf } from "./providers.ts";

export type Reached =
  | { state: "reachable"; models: number | null }
  | { state: "missing"; setting: string }
  | { state: "unreachable"; reason: string };

/** Asks a provider for its list of models, which costs nothing; one that has none only has to answer. */
export async function reach(provider: ProviderConfig): Promise<Reached> {
  const { api_key, key_from } = provider;
  if (api_key === null && key_from !== null) return { state: "missing", setting: key_from };
  const { url, headers, lists } = questionFor(provider);
  try {
    const response = await fetch(url, {
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(limits.model_probe_ms),
    });
    if (!lists) {
      await response.body?.cancel();
      return { state: "reachable", models: null };
    }
    if (!response.ok) return { state: "unreachable", reason: reasonOf(response.status, provider) };
    const models = countIn(await response.json());
    return models === null
      ? {
          state: "unreachable",
          reason: `what it answers is no list of models.${hintOf("not_configured", provider.name)}`,
        }
      : { state: "reachable", models };
  } catch (error) {
    return { state: "unreachable", reason: wordsOf(error as Error, provider) };
  }
}

function reasonOf(status: number, { name }: ProviderConfig): string {
  if (status === 401 || status === 403)
    return `it refuses the key (${status}).${hintOf("authentication", name)}`;
  if (status < 400)
    return `it sends requests on to another place (${status}).${hintOf("not_configured", name)}`;
  if (status === 404) return `it knows no such address (${status}).${hintOf("not_configured", name)}`;
  return `it answers ${status}`;
}

function wordsOf(error: Error, { name }: ProviderConfig): string {
  if (error.name === "TimeoutError") return `it does not answer within ${limits.model_probe_ms} ms`;
  if (error instanceof SyntaxError)
    return `what it answers is no list of models.${hintOf("not_configured", name)}`;
  const { message, code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return message || code || error.message;
}

interface Question {
  url: string;
  headers: Record<string, string>;
  /** Whether a list of models is there. */
  lists: boolean;
}

function questionFor(provider: ProviderConfig): Question {
  const { type, api_key } = provider;
  const base = addressOf(provider).replace(/\/$/, "");
  const bearer: Record<string, string> = api_key === null ? {} : { authorization: `Bearer ${api_key}` };
  switch (type) {
    case "anthropic": {
      const headers = { ...bearer, "anthropic-version": "2023-06-01" };
      return { url: `${base}/v1/models`, headers, lists: true };
    }
    case "google":
      return { url: `${base}/models`, headers: { "x-goog-api-key": api_key ?? "" }, lists: true };
    case "openai":
    case "mistral":
    case "openai-compatible":
      return { url: `${base}/models`, headers: bearer, lists: true };
    case "bedrock":
    case "vertex":
    case "foundry":
      return { url: base, headers: {}, lists: false };
  }
}

/** `data` at most vendors, `models` at Google. */
function countIn(body: unknown): number | null {
  const { data, models } = (body ?? {}) as { data?: unknown; models?: unknown };
  const list = data ?? models;
  return Array.isArray(list) ? list.length : null;
}
