import Anthropic from "@anthropic-ai/sdk";
import { upstreamFetch } from "../upstream-fetch.ts";

export interface AnthropicOptions {
  /** The name of the provider in the configuration. */
  name?: string;
  api_key: string;
  base_url: string;
  platform?: Platform;
  /** Silence, in `ms`, after which a connection counts as broken. */
  idle_ms?: number;
}

/** What differs where somebody else serves the Messages API. */
export interface Platform {
  /** The headers that say who asks. */
  credentials(apiKey: string): Promise<Record<string, string>>;
  /** The request as it is sent there. */
  adapt(url: string, body: string): { url: string; body: string };
}

export const itself: Platform = {
  credentials: async (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  adapt: (url, body) => ({ url, body }),
};

/** The API version that the SDK's types describe. */
export const api_version = "2026-10-21";
const fast_beta = "fast-mode-2026-02-01";

/**
 * A client that reads nothing from the environment or the home folder: those who use Drover point the SDK's own
 * variables at Drover, in the shell it is started from. A client serves one request.
 */
export function upstreamClient(
  { api_key, base_url, idle_ms, platform }: Required<Omit<AnthropicOptions, "name">>,
  { fast }: { fast: boolean },
): Anthropic {
  const headers = {
    accept: "text/event-stream",
    "anthropic-version": api_version,
    "content-type": "application/json",
    ...(fast ? { "anthropic-beta": fast_beta } : {}),
  };
  const ask = upstreamFetch(idle_ms);
  return new Anthropic({
    apiKey: api_key,
    authToken: null,
    credentials: null,
    config: null,
    profile: null,
    webhookKey: null,
    baseURL: base_url,
    maxRetries: 0,
    // Ours comes first, and says what it waited for; this one also waits for the credentials.
    timeout: 2 * idle_ms,
    defaultHeaders: {},
    defaultQuery: {},
    fetchOptions: {},
    middleware: [],
    dangerouslyAllowBrowser: false,
    openTelemetry: false,
    logLevel: "off",
    // The SDK adds ANTHROPIC_CUSTOM_HEADERS to its headers, and no option forbids it: ours take their place here.
    fetch: async (url, init) => {
      const sent = platform.adapt(String(url), String(init?.body));
      const credentials = await platform.credentials(api_key);
      return ask(sent.url, { ...init, body: sent.body, headers: { ...headers, ...credentials } });
    },
  });
}
