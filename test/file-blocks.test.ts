import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError, toFile } from "@anthropic-ai/sdk";
import type { BetaManagedAgentsEventParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { createBlobs } from "../src/files/blobs.ts";
import { folderStore } from "../src/files/folder.ts";
import type { Session } from "../src/protocol/sessions.ts";
import { pdf, png } from "../src/protocol/testing-images.ts";
import { sweepFiles } from "../src/resources/files/remove.ts";
import { answerReply, type FakeAnthropic, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { assertExtends } from "./harness/prefix.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isIdle, listed, prepare, send } from "./harness/session.ts";

let upstream: FakeAnthropic;
let api: TestServer;
let client: Anthropic;
let facts: Facts;
before(async () => {
  upstream = await startFakeAnthropic(({ body }) =>
    JSON.stringify(body.messages.at(-1)).includes("draw it")
      ? answerReply({ blocks: [{ type: "tool_use", id: "toolu_1", name: "draw", json: ["{}"] }] })
      : textReply("I see."),
  );
  api = await startTestServer({ anthropic_url: upstream.url });
  client = api.client;
  facts = await prepare(client, "claude-opus-5-5");
});
after(async () => {
  await api.close();
  await upstream.close();
});

const upload = async (name: string, type: string, content: string, encoding: BufferEncoding = "base64") =>
  (await client.files.upload({ file: await toFile(Buffer.from(content, encoding), name, { type }) })).id;
const aPng = (width = 8, filler = 0) => upload("a.png", "image/png", png(width, 8, filler));
const aPdf = () => upload("a.pdf", "application/pdf", pdf("table"));
const aText = (text = "Résumé", type = "text/plain") => upload("a.txt", type, text, "utf8");

const image = (file_id: string) => ({ type: "image" as const, source: { type: "file" as const, file_id } });
const document = (file_id: string) => ({
  type: "document" as const,
  source: { type: "file" as const, file_id },
});
type Block = ReturnType<typeof image> | ReturnType<typeof document> | { type: "text"; text: string };
const says = (...content: Block[]): BetaManagedAgentsEventParams => ({ type: "user.message", content });
const text = (text: string): Block => ({ type: "text", text });

const start = () => ({ agent: facts.agent_id, environment_id: facts.environment_id });
async function turn(id: string, ...events: BetaManagedAgentsEventParams[]) {
  const following = await follow(client, id);
  await send(client, id, ...events);
  await following.until(isIdle);
  following.close();
}
/** The messages of the newest request, without what says what to cache. */
const sent = (): { role: string; content: Record<string, unknown>[] }[] =>
  JSON.parse(
    JSON.stringify(upstream.requests.at(-1)?.body, (key, value) =>
      key === "cache_control" ? undefined : value,
    ),
  ).messages;
const inline = (type: "image" | "document", media_type: string, data: string) => ({
  type,
  source: { type: "base64", media_type, data },
});

describe("files in messages", () => {
  test("are shown to the model, and clients see them as they were sent", async () => {
    const ids = [
      await aPng(),
      await aPdf(),
      await aText(),
      await aText("a,b\n1,2", "text/csv; charset=utf-8"),
    ];
    const [picture = "", paper = "", note = "", table = ""] = ids;
    const content = [text("look"), image(picture), document(paper), document(note), document(table)];
    const { id } = await client.beta.sessions.create(start());
    await turn(id, says(...content));
    assert.deepEqual(sent()[0]?.content, [
      { type: "text", text: "look" },
      inline("image", "image/png", png(8, 8)),
      inline("document", "application/pdf", pdf("table")),
      { type: "document", source: { type: "text", media_type: "text/plain", data: "Résumé" } },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "a,b\n1,2" } },
    ]);
    const said = (await listed(client, id)).find(({ type }) => type === "user.message");
    assert.ok(said?.type === "user.message");
    assert.deepEqual(said.content, content);
  });

  test("are there from the beginning of a session", async () => {
    const picture = await aPng(9);
    const session = await client.beta.sessions.create({
      ...start(),
      initial_events: [{ type: "user.message", content: [image(picture)] }],
    });
    const following = await follow(client, session.id);
    await following.until(isIdle);
    following.close();
    assert.deepEqual(sent()[0]?.content, [inline("image", "image/png", png(9, 8))]);
  });

  test("stay what they were when they are deleted or expire, in each later request and in forks", async () => {
    const [deleted, expired] = [await aPng(10), await aText("It stays.")];
    const { id } = await client.beta.sessions.create(start());
    const from = upstream.requests.length;
    await turn(id, says(image(deleted), document(expired)));
    await client.files.delete(deleted);
    const run = (name: string, statement: string, ...values: unknown[]) =>
      api.db.query({ name, text: statement }, values);
    await run("test_expire", "update file set expires_at = drover_now() where id = $1", expired);
    await sweepFiles(api.db);
    // As if nobody had named it for long.
    await run("test_age", "update blob set used_at = drover_now() - interval '1 day'");
    await createBlobs(api.db, folderStore(api.files)).releaseUnnamed(null);
    const kept = "select sha256 from session_content join blob using (sha256) where session_id = $1";
    assert.equal((await run("test_kept", kept, id)).length, 2);
    await turn(id, says(text("And now?")));
    assertExtends(upstream.requests.slice(from).map(({ body }) => body));
    const forked = await client.post<Session>(`/v1/sessions/${id}/fork`, { body: {} });
    await client.beta.sessions.delete(id);
    await turn(forked.id, says(text("And you?")));
    assert.deepEqual(sent()[0]?.content.slice(0, 2), [
      inline("image", "image/png", png(10, 8)),
      { type: "document", source: { type: "text", media_type: "text/plain", data: "It stays." } },
    ]);
    const held = "select session_id from session_content where session_id = any($1)";
    assert.equal((await run("test_held", held, [id, forked.id])).length, 2, "of the fork alone");
    await assert.rejects(send(client, forked.id, says(image(deleted))), refused(/not found/));
  });

  test("may be in the results of a client's tools, and are the same in the next request", async () => {
    const agent = await client.beta.agents.create({
      name: "with a tool",
      model: "claude-opus-5-5",
      tools: [
        {
          type: "custom",
          name: "draw",
          description: "Draws",
          input_schema: { type: "object", properties: {} },
        },
      ],
    });
    const { id } = await client.beta.sessions.create({ ...start(), agent: agent.id });
    const from = upstream.requests.length;
    await turn(id, says(text("draw it")));
    const call = (await listed(client, id)).find(({ type }) => type === "agent.custom_tool_use");
    const content = [image(await aPng(11)), document(await aText("Drawn."))];
    await turn(id, { type: "user.custom_tool_result", custom_tool_use_id: call?.id ?? "", content });
    assert.deepEqual(sent().at(-1)?.content[0]?.content, [
      inline("image", "image/png", png(11, 8)),
      { type: "document", source: { type: "text", media_type: "text/plain", data: "Drawn." } },
    ]);
    await turn(id, says(text("and")));
    assertExtends(upstream.requests.slice(from).map(({ body }) => body));
  });
});

const refused =
  (words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof APIError && error.status === 400, String(error));
    assert.match(error.message, words);
    return true;
  };

describe("what is refused at once", () => {
  test("is what no model could be shown, by its place in the request", async () => {
    const { id } = await client.beta.sessions.create(start());
    const gone = await aPng();
    await client.files.delete(gone);
    const old = await aPng();
    const foreign = await aPng();
    const set = (column: string, file: string) =>
      api.db.query(
        { name: `test_set_${column.slice(0, 9)}`, text: `update file set ${column} where id = $1` },
        [file],
      );
    await set("expires_at = drover_now()", old);
    await set("workspace_id = 'other'", foreign);
    const cases: [string, Block, RegExp][] = [
      ["a deleted file", image(gone), /not found/],
      ["an unknown one", image("file_01AAAAAAAAAAAAAAAAAAAAAA"), /not found/],
      ["another workspace's", document(foreign), /not found/],
      ["an expired one", image(old), /has expired/],
      ["a text as an image", image(await aText()), /is text\/plain, and an image is one of image\/png/],
      ["an image as a document", document(await aPng()), /is image\/png, and a document is a PDF or text/],
      [
        "an archive",
        document(await upload("a.zip", "application/zip", "UEs=")),
        /mount other files as resources/,
      ],
      [
        "bytes called a PDF",
        document(await upload("a.pdf", "application/pdf", "aGVsbG8=")),
        /does not begin as a PDF/,
      ],
      ["bytes called a PNG", image(await upload("a.png", "image/png", "aGVsbG8=")), /does not begin as/],
      ["bytes called text", document(await upload("a.txt", "text/plain", "//4=")), /is not text in UTF-8/],
      ["no text", document(await aText(" \n")), /has no text/],
      ["an image that is too wide", image(await aPng(8_001)), /8001 by 8 pixels/],
      ["an image that is too large", image(await aPng(8, 8 << 20)), /is larger than 10 MB/],
    ];
    for (const [what, block, words] of cases) {
      const place = new RegExp(`events\\.0\\.content\\.1\\.source: file file_.*${words.source}`, "s");
      await assert.rejects(send(client, id, says(text("look"), block)), refused(place), what);
      const initial_events = [{ type: "user.message" as const, content: [text("look"), block] }];
      const born = client.beta.sessions.create({ ...start(), initial_events });
      await assert.rejects(born, refused(new RegExp(`initial_${place.source}`, "s")), what);
    }
    assert.deepEqual(await listed(client, id), []);
    const held = { name: "test_any_held", text: "select sha256 from session_content where session_id = $1" };
    assert.deepEqual(await api.db.query(held, [id]), []);
  });

  test("is more than a model takes at once, whether it comes along or is named", async () => {
    const { id } = await client.beta.sessions.create(start());
    const picture = await aPng();
    const many = Array.from({ length: 101 }, () => image(picture));
    await assert.rejects(
      send(client, id, says(...many)),
      refused(/events\.0\.content: must hold at most 100 images/),
    );
    const note = document(await aText());
    const two = [
      says(...Array.from({ length: 60 }, () => note)),
      says(...Array.from({ length: 41 }, () => note)),
    ];
    await assert.rejects(
      send(client, id, ...two),
      refused(/events: may hold 100 documents from files at most/),
    );
    const large = document(await upload("l.txt", "text/plain", "a".repeat(10 << 20), "utf8"));
    await assert.rejects(
      send(client, id, says(large, large)),
      refused(/events\.0\.content: must hold at most 24 MB/),
    );
  });
});
