import type { SessionEvent } from "../../../src/protocol/events.ts";
import { visibleJson } from "../format/text.ts";

/** A system takes no longer arguments than this many bytes: what is longer is read from where it stands. */
const argumentBytesMax = 100_000;

/** In quotes, nothing of which a shell reads. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** What a client has sent is sent the same way again; of all else it is asked for. */
export function eventCurl(origin: string, sessionId: string, event: SessionEvent): string {
  const path = `${origin}/v1/sessions/${sessionId}/events`;
  const headers = [
    '  -H "x-api-key: $DROVER_API_KEY"',
    "  -H 'anthropic-version: 2023-06-01'",
    "  -H 'anthropic-beta: managed-agents-2026-04-01'",
  ];
  if (event.type.startsWith("user.") || event.type === "system.message") {
    const {
      id: _,
      processed_at: _at,
      ...body
    } = event as SessionEvent & { processed_at?: unknown; worker?: unknown };
    delete body.worker;
    const json = visibleJson({ events: [body] });
    const long = new Blob([json]).size > argumentBytesMax;
    const asked = [
      `curl ${quoted(path)}`,
      ...headers,
      "  -H 'content-type: application/json'",
      long ? "  --data-binary @- <<'JSON'" : `  -d ${quoted(json)}`,
    ].join(" \\\n");
    // It is one line, which is not the word that ends it.
    return long ? `${asked}\n${json}\nJSON` : asked;
  }
  const query = new URLSearchParams({ "types[]": event.type });
  if ("processed_at" in event && event.processed_at) {
    query.set("created_at[gte]", event.processed_at);
    query.set("created_at[lte]", event.processed_at);
  }
  return [`curl ${quoted(`${path}?${query}`)}`, ...headers].join(" \\\n");
}
