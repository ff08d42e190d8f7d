import type { TestDatabase } from "../../src/db/testing.ts";
import { waiting } from "./waiting.ts";

const patience_ms = 60_000;

/** What the servers of a database tell each other about previews, from now on. */
export async function previewNotifications(db: TestDatabase) {
  const client = await db.connect();
  const heard: string[] = [];
  const { ring, until } = waiting();
  client.on("notification", ({ payload = "" }) => {
    heard.push(payload);
    ring();
  });
  await client.query("listen drover_preview");
  return {
    /** What `look` finds in all that was heard, as soon as that is not undefined. */
    until<Found>(what: string, look: (heard: readonly string[]) => Found | undefined) {
      const late = AbortSignal.timeout(patience_ms);
      late.addEventListener("abort", ring);
      return until(() => {
        const found = look(heard);
        if (found === undefined && late.aborted) throw new Error(`waited in vain for ${what}`);
        return found;
      });
    },
    /** All that was sent until now: they come in the order in which they were sent. */
    async all() {
      await client.query("notify drover_preview, 'over'");
      await until(() => heard.includes("over") || undefined);
      await client.end();
      return heard;
    },
    end: () => client.end(),
  };
}
