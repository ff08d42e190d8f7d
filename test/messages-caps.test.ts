import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { noCaps } from "../src/config.ts";
import { startFakeAnthropic } from "./fakes/anthropic.ts";
import { startTestServer } from "./harness/server.ts";
import { newSession, prepare, turn } from "./harness/session.ts";

const rates = { input: 1, output: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0 };
const fake = await startFakeAnthropic();
/** A dollar a day, and a dollar per million tokens. */
const api = await startTestServer({
  anthropic_url: fake.url,
  prices: { as_of: "2026-11-01", models: { simulated: rates, "claude-opus-5-5": rates } },
  spending: { caps: { ...noCaps, per_workspace_day: 1 } },
});
const { client } = api;
after(async () => {
  await api.close();
  await fake.close();
});

const ask = (model: string, content = "hi") => ({
  model,
  max_tokens: 10,
  messages: [{ role: "user" as const, content }],
});

const spent = async () => {
  const rows = await api.db.query<{ nano: string }>(
    { name: "test_spent", text: "select coalesce(sum(nano), 0) as nano from spend where agent_id = ''" },
    [],
  );
  return Number(rows[0]?.nano);
};

/** It is written down when the answer has gone out. */
async function spentReaches(nano: number): Promise<void> {
  while ((await spent()) < nano) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await spent(), nano);
}

const relayed = (usage: object) => ({
  headers: { "content-type": "application/json" },
  chunks: [JSON.stringify({ id: "msg_1", type: "message", role: "assistant", content: [], usage })],
});

describe("caps hold for messages", () => {
  test("what has no price cannot be asked", async () => {
    const count = fake.requests.length;
    await assert.rejects(
      client.messages.create(ask("claude-unpriced")),
      (error: unknown) => error instanceof Anthropic.BadRequestError && /DROVER_PRICES/.test(error.message),
    );
    assert.equal(fake.requests.length, count);
  });

  test("a message is charged, whoever writes it, and searches are too", async () => {
    await client.messages.create(ask("simulated", "usage in=300000"));
    await spentReaches(0.3e9);
    const usage = { input_tokens: 100_000, output_tokens: 3, server_tool_use: { web_search_requests: 2 } };
    fake.reply(relayed(usage));
    await client.messages.create(ask("claude-opus-5-5"));
    await spentReaches(0.3e9 + 0.1e9 + 0.02e9);
  });

  test("a stream is charged when it ends", async () => {
    await client.messages.stream(ask("simulated", "usage in=600000")).finalMessage();
    await spentReaches(1.02e9);
  });

  test("once it is reached nobody is asked, neither by messages nor by sessions", async () => {
    for (const stream of [true, false]) {
      await assert.rejects(client.messages.create({ ...ask("simulated"), stream }), (error: unknown) => {
        assert.ok(error instanceof Anthropic.APIError);
        assert.deepEqual([error.status, error.type], [402, "billing_error"]);
        assert.match(error.message, /DROVER_CAP_PER_WORKSPACE_DAY/);
        assert.equal(error.headers?.get("x-should-retry"), "false");
        return true;
      });
    }
    const { id } = await newSession(client, await prepare(client));
    const events = await turn(client, id, "say hi");
    assert.ok(events.some((event) => event.type === "session.error"));
  });

  test("counting costs nothing, and may be done all the same", async () => {
    const { max_tokens: _, ...question } = ask("simulated");
    assert.ok((await client.messages.countTokens(question)).input_tokens > 0);
  });
});
