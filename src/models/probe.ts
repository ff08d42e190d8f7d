import type { ProviderConfig } from "../config/models.ts";
import { limits } from "../limits.ts";
import { addressOf } from "./addresses.ts";
import { hintOf } from "./hints.ts";

export type Reached =
  | { state: "reachable"; models: number | null }
  | { state: "missing"; setting: string }
  | { state: "unreachable"; reason: string };

/** Asks a provider for its list of models, which costs nothing; one that has none only has to answer. */
export async function reach(provider: ProviderConfig): Promise<Reached> {
  const { api_key, key_from } = provider;
  if (api_key === null && key_from !== null) return { state: "missing", setting: key_from };
  try {
    return { state: "reachable", models: (await askForModels(provider))?.length ?? null };
  } catch (error) {
    return { state: "unreachable", reason: wordsOf(error as Error, provider) };
  }
}

/** The list as the provider writes it; null where it has none. Rejects where it cannot be had. */
export async function askForModels(provider: ProviderConfig): Promise<unknown[] | null> {
  const { url, headers, lists } = questionFor(provider);
  const response = await fetch(url, {
    headers,
    redirect: "manual",
    signal: AbortSignal.timeout(limits.model_probe_ms),
  });
  if (!lists) {
    await response.body?.cancel();
    return null;
  }
  if (!response.ok) throw new NoList(reasonOf(response.status, provider));
  const list = listIn(await response.json());
  if (list === null) throw new NoList(notAList(provider));
  return list;
}

/** Its message is for whoever configured the provider. */
class NoList extends Error {
  override readonly name = "NoList";
}

const notAList = ({ name }: ProviderConfig) =>
  `what it answers is no list of models.${hintOf("not_configured", name)}`;

function reasonOf(status: number, { name }: ProviderConfig): string {
  if (status === 401 || status === 403)
    return `it refuses the key (${status}).${hintOf("authentication", name)}`;
  if (status < 400)
    return `it sends requests on to another place (${status}).${hintOf("not_configured", name)}`;
  if (status === 404) return `it knows no such address (${status}).${hintOf("not_configured", name)}`;
  return `it answers ${status}`;
}

function wordsOf(error: Error, provider: ProviderConfig): string {
  if (error.name === "TimeoutError") return `it does not answer within ${limits.model_probe_ms} ms`;
  if (error instanceof NoList) return error.message;
  if (error instanceof SyntaxError) return notAList(provider);
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
      return { url: `${base}/v1/models?limit=1000`, headers, lists: true };
    }
    case "google":
      return {
        url: `${base}/models?pageSize=1000`,
        headers: { "x-goog-api-key": api_key ?? "" },
        lists: true,
      };
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
function listIn(body: unknown): unknown[] | null {
  const { data, models } = (body ?? {}) as { data?: unknown; models?: unknown };
  const list = data ?? models;
  return Array.isArray(list) ? list : null;
}
