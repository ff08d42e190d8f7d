import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../limits.ts";
import { loggable } from "./loggable.ts";
import { answerOf, requestOf, userSays } from "./model.spec.ts";
import { type AssistantBlock, type ModelEvent, type ModelMessage, noUsage } from "./model.ts";

const api_key = "sk-of-the-provider";

const ended = async (event: ModelEvent, messages: ModelMessage[] = [userSays("go")], key = api_key) => {
  async function* stream() {
    yield event;
  }
  return (await answerOf(loggable({ stream }, key), requestOf("m", messages))).ending;
};

async function told(message: string, key?: string): Promise<string> {
  const failure = { kind: "rejected", message, retryable: false, retry_after_ms: null } as const;
  const ending = await ended({ type: "failed", failure, usage: noUsage }, undefined, key);
  assert.ok(ending.type === "failed");
  assert.deepEqual(ending.failure, { ...failure, message: ending.failure.message });
  return ending.failure.message;
}

const call = (id: string): AssistantBlock => ({ type: "tool_use", id, name: "bash", input: {} });

async function idsOf(content: AssistantBlock[], messages?: ModelMessage[]): Promise<string[]> {
  const ending = await ended(
    { type: "finished", content, stop: { reason: "tool_use" }, usage: noUsage },
    messages,
  );
  assert.ok(ending.type === "finished");
  return ending.content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
}

test("an error never holds a key, whoever says it", async () => {
  assert.equal(
    await told(`bad key ${api_key}, really ${api_key}; bearer ya29.other was sent`),
    "bad key [the key], really [the key]; Bearer [the key] was sent",
  );
  assert.equal(await told("nothing is wrong", ""), "nothing is wrong");
});

test("an error is told no longer than anybody reads", async () => {
  const longest = "x".repeat(limits.model_error_chars_max);
  assert.equal(await told(longest), longest);
  assert.equal(await told(`${longest}y`), `${longest}...`);
  assert.ok((await told(`${longest.slice(1)}👋`)).isWellFormed());
});

test("calls keep their ids, as long as each has its own", async () => {
  assert.deepEqual(await idsOf([call("a"), { type: "text", text: "and" }, call("b")]), ["a", "b"]);
});

test("calls that have none, or one that is taken, get one", async () => {
  const [first, ...others] = await idsOf([call("a"), call("a"), call(""), call("")]);
  assert.equal(first, "a");
  assert.equal(new Set([first, ...others]).size, 4);
  assert.ok(others.every((id) => /^call_[0-9a-f]{24}$/.test(id)));
  const before: ModelMessage[] = [userSays("go"), { role: "assistant", content: [call("a")] }];
  const [again] = await idsOf([call("a")], before);
  assert.match(again ?? "", /^call_/);
});
