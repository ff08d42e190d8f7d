import Anthropic from "@anthropic-ai/sdk";
import { cutWhenSilent } from "../broken.ts";

export interface AnthropicOptions {
  api_key: string;
  base_url: string;
  /** Silence, in `ms`, after which a connection counts as broken. */
  idle_ms?: number;
}

/** The API version that the SDK's types describe. */
const api_version = "2026-10-21";
const fast_beta = "fast-mode-2026-02-01";

/**
 * A client that reads nothing from the environment or the home folder: those who use Drover point the SDK's own
 * variables at Drover, in the shell it is started from. A client serves one request.
 */
export function upstreamClient(
  { api_key, base_url, idle_ms }: Required<AnthropicOptions>,
  { fast }: { fast: boolean },
): Anthropic {
  const headers = {
    accept: "text/event-stream",
    authorization: `Bearer ${api_key}`,
    "anthropic-version": api_version,
    "content-type": "application/json",
    "user-agent": "drover",
    ...(fast ? { "anthropic-beta": fast_beta } : {}),
  };
  return new Anthropic({
    apiKey: api_key,
    authToken: null,
    credentials: null,
    config: null,
    profile: null,
    webhookKey: null,
    baseURL: base_url,
    maxRetries: 0,
    timeout: idle_ms,
    defaultHeaders: {},
    defaultQuery: {},
    fetchOptions: {},
    middleware: [],
    dangerouslyAllowBrowser: false,
    openTelemetry: false,
    logLevel: "off",
    // The SDK adds ANTHROPIC_CUSTOM_HEADERS to its headers, and no option forbids it: ours take their place here.
    fetch: async (url, init) => {
      const response = await fetch(url, { ...init, headers });
      const body = response.body?.pipeThrough(cutWhenSilent(idle_ms));
      return new Response(body, response);
    },
  });
}
