import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AnyDraft, draft, type NamedFile } from "../log/entry.ts";
import { messagesTokens } from "../models/token-estimate.ts";
import { fold } from "./fold.ts";
import { provisional } from "./pen.ts";
import { restoredState, storedState } from "./state.ts";

const thread_id = "sthr_1";
let ids = 0;
const fields = (audience: "internal" | "queued", of_seq?: number) => ({
  id: `sevt_${++ids}`,
  thread_id,
  audience,
  of_seq,
});
const picture: NamedFile = { sha256: "a".repeat(64), media_type: "image/png", chars: 400, large: false };
const named = (files: Record<string, NamedFile>) =>
  draft("files_named", fields("internal"), { reader: 3, files });
const image = (file_id: string) => ({ type: "image" as const, source: { type: "file" as const, file_id } });
const says = (file_id: string) => draft("user.message", fields("queued"), { content: [image(file_id)] });
const promoted = (seq: number) => draft("promoted", fields("internal", seq), { reader: 1 });
const entries = (...drafts: AnyDraft[]) => provisional(drafts, 0, 0);

const { media_type, ...stored } = picture;
const shown = { type: "image", source: { type: "base64", media_type, data: "", stored } };

describe("an image that names a file", () => {
  const log = entries(named({ file_1: picture }), says("file_1"), promoted(2));

  test("is what the file held when it was named, whatever is named later", () => {
    const later = entries(
      named({ file_1: picture }),
      says("file_1"),
      named({ file_2: { ...picture, sha256: "b".repeat(64) } }),
      promoted(2),
    );
    for (const all of [log, later])
      assert.deepEqual(fold(all).threads.get(thread_id)?.messages, [{ role: "user", content: [shown] }]);
  });

  test("is known to whoever begins to read at a checkpoint, also when it is taken up behind that", () => {
    const [first, second, third] = log;
    assert.ok(first && second && third);
    const state = restoredState(JSON.parse(JSON.stringify(storedState(fold([first, second])))));
    assert.deepEqual(fold([third], state).threads, fold(log).threads);
  });

  test("stays with the newest message when the conversation is summed up", () => {
    const reply = draft("model_reply", fields("internal"), {
      reader: 1,
      request_id: "sevt_r",
      content: [{ type: "text", text: "I see." }],
      context_tokens: 10,
      call_ids: {},
      ending: { stop_reason: { type: "end_turn" }, stop_details: null },
    });
    const notes = draft("compaction", fields("internal"), {
      reader: 1,
      request_id: "sevt_r",
      summary: "Notes.",
    });
    const { messages } = fold([...log, ...provisional([reply, notes], 3, 0)]).threads.get(thread_id) ?? {};
    assert.deepEqual(messages?.at(-1)?.content.at(-1), shown);
  });

  test("of which the log does not know what it held is left out", () => {
    const unknown = fold(entries(says("file_9"), promoted(1)));
    assert.deepEqual(unknown.threads.get(thread_id)?.messages, [{ role: "user", content: [] }]);
  });
});

test("documents from files take as many tokens as those that came along", () => {
  const data = Buffer.from("a".repeat(30_000)).toString("base64");
  for (const media_type of ["application/pdf", "text/plain"]) {
    const source = { type: "base64", media_type } as const;
    const sizes = [
      { ...source, data },
      { ...source, data: "", stored: { ...stored, chars: data.length } },
    ].map((each) => messagesTokens([{ role: "user", content: [{ type: "document", source: each }] }]));
    assert.equal(sizes[0], sizes[1]);
    assert.equal(sizes[0], media_type === "text/plain" ? 10_000 : 2_500);
  }
});
