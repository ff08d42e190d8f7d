import { z } from "zod";
import { usageAfter, wireUsage } from "../anthropic/stream.ts";
import { parsedJson } from "../json.ts";
import { type ModelUsage, noUsage } from "../model.ts";

/** What a message took, as far as it came. */
export interface Used {
  usage: ModelUsage;
  /** Searches of the web that the provider made for it. */
  searches: number;
}

const counts = wireUsage.extend({
  server_tool_use: z.object({ web_search_requests: z.int().nullish() }).nullish(),
});
/** A whole message, the first event of a stream, or a later one. */
const carrier = z.object({
  usage: counts.nullish(),
  message: z.object({ usage: counts.nullish() }).nullish(),
});

/** Adds up what messages and the events of their streams, as they are written, say that they took. */
export function startMeter() {
  let used: Used = { usage: noUsage, searches: 0 };
  return {
    read(json: string): void {
      if (!json.includes('"usage"')) return;
      const { usage, message } = carrier.safeParse(parsedJson(json)).data ?? {};
      const seen = usage ?? message?.usage;
      if (!seen) return;
      const searches = seen.server_tool_use?.web_search_requests ?? used.searches;
      used = { usage: usageAfter(used.usage, seen), searches };
    },
    used: () => used,
  };
}
