import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BetaManagedAgentsEventParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { gif, jpeg, pdf, png } from "../src/protocol/testing-images.ts";
import {
  answerReply,
  errorReply,
  type FakeAnthropic,
  startFakeAnthropic,
  textReply,
} from "./fakes/anthropic.ts";
import { type Bad, refusals } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, send } from "./harness/session.ts";

const { refuses, stillWorks } = refusals();

const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");
const bytes = (type: "image" | "document", media_type: string, data: unknown) => ({
  type,
  source: { type: "base64", media_type, data },
});
const url = (type: "image" | "document", address: string) => ({
  type,
  source: { type: "url", url: address },
});
const plain = (data: string) => ({
  type: "document",
  source: { type: "text", media_type: "text/plain", data },
});

/** A block that no model could read, and what is said of it. */
const unreadable: Record<string, [object, RegExp]> = {
  "an image that is no base64": [bytes("image", "image/png", "***"), /source\.data: is not base64/],
  "an image as a data: URL": [
    bytes("image", "image/png", `data:image/png;base64,${png(8, 8)}`),
    /source\.data: is not base64: .* without a data: prefix/,
  ],
  "an image in lines": [bytes("image", "image/png", `${png(8, 8)}\n`), /source\.data: is not base64/],
  "an image without bytes": [bytes("image", "image/png", ""), /source\.data: is empty/],
  "an image of bytes that are a number": [bytes("image", "image/png", 7), /source\.data: must be a string/],
  "an image of a type that models do not read": [
    bytes("image", "image/svg+xml", base64("<svg/>")),
    /source\.media_type: must be one of "image\/png"/,
  ],
  "an image that is another one": [
    bytes("image", "image/png", jpeg(8, 8)),
    /source\.data: does not begin as a file of its media_type/,
  ],
  "an image that is cut short": [
    bytes("image", "image/jpeg", jpeg(8, 8).slice(0, 28)),
    /source\.data: cannot be read/,
  ],
  "an image that is too wide": [
    bytes("image", "image/gif", gif(8_001, 8)),
    /source\.data: is an image of 8001 by 8 pixels: scale it/,
  ],
  "an image of no height": [bytes("image", "image/png", png(8, 0)), /source\.data: is an image of 8 by 0/],
  "an image that is too large": [
    bytes("image", "image/png", png(8, 8, 8 << 20)),
    /source\.data: is larger than 10 MB/,
  ],
  "an image from a disk": [url("image", "file:///etc/passwd"), /source\.url: must be an http or https URL/],
  "a document that is no PDF": [
    bytes("document", "application/pdf", base64("hello")),
    /source\.data: does not begin as a PDF/,
  ],
  "a document without bytes": [bytes("document", "application/pdf", ""), /source\.data: is empty/],
  "an encrypted PDF": [
    bytes("document", "application/pdf", pdf("table", "/Encrypt 3 0 R ")),
    /source\.data: is encrypted/,
  ],
  "a document of a type that models do not read": [
    bytes("document", "application/zip", base64("PK")),
    /source\.media_type: must be one of "application\/pdf"/,
  ],
  "a document that is no text": [
    bytes("document", "text/plain", base64("\xff\xfe")),
    /source\.data: is not text in UTF-8/,
  ],
  "a document without text": [plain(" \n"), /source\.data: has no text/],
  "a document from nowhere": [url("document", "nowhere"), /source\.url: must be an http or https URL/],
};

refuses("images and documents that no model could read", ({ session, facts }) => {
  const path = `/v1/sessions/${session}/events`;
  const text = { type: "text", text: "look" };
  const result = { type: "user.custom_tool_result", custom_tool_use_id: "sevt_01x" };
  return Object.entries(unreadable).flatMap(([what, [block, says]]): Bad[] => {
    const message = { type: "user.message", content: [text, block] };
    const at = (place: string) => new RegExp(`^${place}\\.0\\.content\\.[01]\\.${says.source}`);
    return [
      { what, path, body: { events: [message] }, says: at("events") },
      {
        what: `${what}, as a tool's result`,
        path,
        body: { events: [{ ...result, content: [block] }] },
        says: at("events"),
      },
      {
        what: `${what}, at the start of a session`,
        path: "/v1/sessions",
        body: { agent: facts.agent_id, environment_id: facts.environment_id, initial_events: [message] },
        says: at("initial_events"),
      },
    ];
  });
});

refuses("more images than a model takes at once", ({ session }) => {
  const path = `/v1/sessions/${session}/events`;
  const images = (count: number, width: number) => ({
    events: [
      {
        type: "user.message",
        content: Array.from({ length: count }, () => bytes("image", "image/png", png(width, 8))),
      },
    ],
  });
  return [
    { what: "101", path, body: images(101, 8), says: /^events\.0\.content: must hold at most 100 images/ },
    {
      what: "21 large ones",
      path,
      body: images(21, 2_001),
      says: /^events\.0\.content: must hold at most 20/,
    },
  ];
});

stillWorks();

describe("what the model's provider gets", () => {
  let upstream: FakeAnthropic;
  let api: TestServer;
  let facts: { agent: string; environment_id: string };

  before(async () => {
    upstream = await startFakeAnthropic();
    api = await startTestServer({ anthropic_url: upstream.url });
    const agent = await api.client.beta.agents.create({
      name: "looker",
      model: "claude-opus-5-5",
      tools: [
        { type: "custom", name: "look_up", description: "Finds it.", input_schema: { type: "object" } },
      ],
    });
    const environment = await api.client.beta.environments.create({ name: "test" });
    facts = { agent: agent.id, environment_id: environment.id };
  });
  after(async () => {
    await api.close();
    await upstream.close();
  });

  const image = (width: number) => ({
    type: "image" as const,
    source: { type: "base64" as const, media_type: "image/png", data: png(width, 8) },
  });
  const messageWith = (
    ...content: Extract<BetaManagedAgentsEventParams, { type: "user.message" }>["content"]
  ) => ({
    type: "user.message" as const,
    content,
  });

  async function conversation() {
    const { id } = await api.client.beta.sessions.create(facts);
    const following = await follow(api.client, id);
    let turns = 0;
    const until = () => {
      turns += 1;
      return following.until(isIdle, turns);
    };
    return {
      send: (event: BetaManagedAgentsEventParams) => send(api.client, id, event),
      until,
      /** Sends it, and gives back what the model was then sent. */
      async turn(event: BetaManagedAgentsEventParams) {
        const before = upstream.requests.length;
        await send(api.client, id, event);
        await until();
        const messages = upstream.requests.slice(before).at(-1)?.body.messages ?? [];
        return messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));
      },
      close: () => following.close(),
    };
  }

  test("are the newest of too many images, and each request goes through", async () => {
    const { turn, close } = await conversation();
    const pictures: string[] = [];
    for (let i = 0; i < 22; i += 1) {
      upstream.reply(textReply("I see."));
      const blocks = await turn(messageWith(image(3_000), { type: "text", text: `picture ${i}` }));
      pictures.push(
        blocks
          .flatMap((block) => {
            if (block.type === "text" && block.text.startsWith("[The image that was here")) return ["."];
            return block.type === "image" ? ["i"] : [];
          })
          .join(""),
      );
    }
    assert.deepEqual(
      pictures.slice(0, 20),
      Array.from({ length: 20 }, (_, i) => "i".repeat(i + 1)),
    );
    assert.deepEqual(pictures.slice(20), [
      `${".".repeat(11)}${"i".repeat(10)}`,
      `${".".repeat(11)}${"i".repeat(11)}`,
    ]);
    close();
  });

  test("are a custom tool's search results, images and documents as such", async () => {
    const { turn, until, send, close } = await conversation();
    upstream.reply(
      answerReply({ blocks: [{ type: "tool_use", id: "toolu_1", name: "look_up", json: ["{}"] }] }),
      textReply("Found."),
    );
    await send(messageWith({ type: "text", text: "look it up" }));
    const use = (await until()).find(isOf("agent.custom_tool_use"));
    assert.ok(use);
    const text = (value: string) => ({ type: "text" as const, text: value });
    const found = { type: "search_result" as const, title: "Cows", source: "https://example.com/cows" };
    const document = {
      type: "document" as const,
      source: { type: "base64" as const, media_type: "application/pdf" as const, data: pdf("table") },
    };
    const blocks = await turn({
      type: "user.custom_tool_result",
      custom_tool_use_id: use.id,
      content: [
        text(""),
        { ...found, content: [text("They graze."), text("")], citations: { enabled: false } },
        image(8),
        { ...document, title: "Herd" },
      ],
    });
    const result = blocks.find((block) => block.type === "tool_result");
    assert.deepEqual(result?.content, [
      { ...found, content: [text("They graze.")], citations: { enabled: false } },
      image(8),
      { ...document, title: "Herd" },
    ]);
    close();
  });

  for (const is_error of [false, true]) {
    test(`is a result without content, ${is_error ? "of a failed call" : "and the turn goes on"}`, async () => {
      const { turn, until, send, close } = await conversation();
      upstream.reply(
        answerReply({ blocks: [{ type: "tool_use", id: "toolu_1", name: "look_up", json: ["{}"] }] }),
        textReply("Nothing there."),
      );
      await send(messageWith({ type: "text", text: "look it up" }));
      const use = (await until()).find(isOf("agent.custom_tool_use"));
      assert.ok(use);
      const blocks = await turn({ type: "user.custom_tool_result", custom_tool_use_id: use.id, is_error });
      const result = blocks.find((block) => block.type === "tool_result");
      assert.deepEqual(
        result?.content,
        is_error ? [{ type: "text", text: "The tool reported an error." }] : [],
      );
      assert.equal(result?.is_error, is_error);
      close();
    });
  }

  test("is no longer an image that it has refused", async () => {
    const { turn, close } = await conversation();
    upstream.reply(
      errorReply(400, "invalid_request_error", "Could not process image"),
      textReply("Here I am."),
    );
    await turn(messageWith(image(8), { type: "text", text: "what is this?" }));
    const blocks = await turn(messageWith({ type: "text", text: "and now?" }));
    assert.deepEqual(
      blocks.map((block) => block.type),
      ["text", "text", "text"],
    );
    close();
  });
});
