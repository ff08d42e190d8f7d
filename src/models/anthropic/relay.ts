import { limits } from "../../limits.ts";
import { withoutKey } from "../loggable.ts";
import type { Relay } from "../model.ts";
import { upstreamFetch } from "../upstream-fetch.ts";
import { api_version, type Platform } from "./client.ts";

export interface RelayOptions {
  api_key: string;
  base_url: string;
  platform: Platform;
}

/** Hands requests of the Messages API on under our own key. */
export function messagesRelay({ api_key, base_url, platform }: RelayOptions): Relay {
  const stream = upstreamFetch(limits.model_idle_ms);
  const whole = upstreamFetch(limits.model_unstreamed_ms_max, { wants: "json" });
  return {
    async ask({ path, body, headers }, signal) {
      const sent = platform.adapt(base_url.replace(/\/$/, "") + path, JSON.stringify(body));
      const credentials = await platform.credentials(api_key);
      const own = { "anthropic-version": api_version, ...headers, "content-type": "application/json" };
      const ask = body.stream ? stream : whole;
      return ask(sent.url, { method: "POST", body: sent.body, headers: { ...own, ...credentials }, signal });
    },
    withoutKey: (text) => withoutKey(text, api_key),
  };
}
