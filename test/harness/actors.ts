import assert from "node:assert/strict";
import type { TestDatabase } from "../../src/db/testing.ts";
import type { ListedEvent } from "./session.ts";

/** What only one actor at a time can have written. */
export function assertOneActor(events: ListedEvent[]): void {
  let request: string | null = null;
  const answered = new Set<string>();
  const called: string[] = [];
  for (const event of events) {
    if (event.type === "span.model_request_start") {
      assert.equal(request, null, "two requests at once");
      request = event.id;
    } else if (event.type === "span.model_request_end") {
      assert.equal(event.model_request_start_id, request);
      request = null;
    } else if (event.type === "agent.tool_use") {
      called.push(event.id);
    } else if (event.type === "agent.tool_result") {
      assert.ok(!answered.has(event.tool_use_id), "a call with two results");
      answered.add(event.tool_use_id);
    }
  }
  assert.equal(request, null);
  assert.deepEqual([...answered].toSorted(), called.toSorted());
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
}

/** Every log of the database: without gaps, in the order of its times, each event promoted at most once. */
export async function assertLogsWhole(db: TestDatabase): Promise<void> {
  const wrong = await db.query(
    {
      name: "gaps",
      text: `select session_id from (
          select session_id, seq, row_number() over w as n, created_at, lag(created_at) over w as earlier
          from event window w as (partition by session_id order by seq)
        ) as numbered where seq <> n or created_at < earlier`,
    },
    [],
  );
  assert.deepEqual(wrong, []);
}
