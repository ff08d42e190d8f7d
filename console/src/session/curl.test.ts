import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { eventCurl } from "./curl.ts";

/** What a shell makes of it. */
const args = (command: string): string[] =>
  JSON.parse(
    execFileSync(
      "sh",
      ["-c", command.replace(/^curl/, `"${process.execPath}" -p 'JSON.stringify(process.argv.slice(1))' --`)],
      { encoding: "utf8", env: { DROVER_API_KEY: "key" } },
    ),
  );

test("what was sent is sent again by a shell as it was, whatever it holds", () => {
  const text = "it's `id` $(id) \\ \"\u001b[31m\u202e\nnew";
  const given = args(
    eventCurl("http://127.0.0.1:8400", "sesn_1", {
      id: "sevt_1",
      type: "user.message",
      content: [{ type: "text", text }],
      processed_at: "2026-01-01T00:00:00Z",
    }),
  );
  assert.equal(given[0], "http://127.0.0.1:8400/v1/sessions/sesn_1/events");
  assert.ok(given.includes("x-api-key: key"));
  assert.deepEqual(JSON.parse(given.at(-1) ?? ""), {
    events: [{ type: "user.message", content: [{ type: "text", text }] }],
  });
});

test("what the server has made is asked for by its type and time", () => {
  const [url = ""] = args(
    eventCurl("http://127.0.0.1:8400", "sesn_1", {
      id: "sevt_1",
      type: "session.status_running",
      processed_at: "2026-01-01T00:00:00.000001Z",
    }),
  );
  const { searchParams } = new URL(url);
  assert.deepEqual(
    [...searchParams],
    [
      ["types[]", "session.status_running"],
      ["created_at[gte]", "2026-01-01T00:00:00.000001Z"],
      ["created_at[lte]", "2026-01-01T00:00:00.000001Z"],
    ],
  );
});

test("what is too long for an argument is read from where it stands", () => {
  const event = {
    id: "sevt_1",
    type: "user.message" as const,
    content: [{ type: "text" as const, text: `${"it's long, $HOME \\ ü\nJSON\n".repeat(10_000)}` }],
  };
  const [command, body, ...rest] = eventCurl("http://127.0.0.1:8400", "sesn_1", event).split(
    /(?<=<<'JSON')\n/,
  );
  assert.match(command ?? "", /--data-binary @- <<'JSON'$/);
  assert.deepEqual(rest, []);
  const said = execFileSync("sh", { input: `cat <<'JSON'\n${body}\n`, encoding: "utf8" });
  assert.deepEqual(JSON.parse(said), { events: [{ type: event.type, content: event.content }] });
});
