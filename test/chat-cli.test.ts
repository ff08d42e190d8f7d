import assert from "node:assert/strict";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { onTerminal } from "./harness/on-terminal.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, prepare } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});
const free = await prepare(api.client);
const asking = await prepare(api.client, "simulated", "always_ask");
const chatOf = (...args: string[]) => onTerminal(["chat", ...args], drover);

test("words come, calls are folded and shown, and the conversation is gone on with", async () => {
  const chat = chatOf(free.agent_id);
  const id = /sesn_\w+/.exec(await chat.shows(/session sesn_\w+/))?.[0] ?? "";
  await chat.shows(/› /);
  chat.type("bash seq 3; printf '\\033[2J'\r");
  await chat.shows(/▸ bash/);
  await chat.shows(/done.*\(\+\d lines: \/show\)/);
  await chat.shows(/› /);
  chat.type("/show\r");
  await chat.shows(/2\r\n3\r\n␛\[2J/);
  await chat.shows(/› /);
  chat.type("\u0004");
  await chat.shows(new RegExp(`the session stays: drover chat --session ${id}`));
  assert.equal(await chat.ended, 0);

  const again = chatOf("--session", id);
  await again.shows(/bash seq 3/);
  await again.shows(/› /);
  again.type("/exit\r");
  assert.equal(await again.ended, 0);
});

test("a call is allowed or denied by a key", async () => {
  const chat = chatOf(asking.agent_id);
  await chat.shows(/› /);
  chat.type("bash echo once\r");
  await chat.shows(/the agent asks:.*bash/);
  await chat.shows(/\[y\]es/);
  chat.type("y");
  await chat.shows(/done.*once/);
  await chat.shows(/› /);
  chat.type("bash echo twice\r");
  await chat.shows(/\[y\]es/);
  chat.type("w");
  await chat.shows(/› /);
  chat.type("not today\r");
  await chat.shows(/failed/);
  await chat.shows(/› /);
  chat.type("/show\r");
  await chat.shows(/not today/);
  await chat.shows(/› /);
  chat.type("\u0003");
  assert.equal(await chat.ended, 130);
});

test("results are shown whole from /fold on, files are named, and what a tool of the client returns is typed", async () => {
  const { id } = await api.client.beta.agents.create({
    name: "asker",
    model: "simulated",
    tools: [
      { type: "agent_toolset_20260401" },
      {
        type: "custom",
        name: "weather",
        description: "of a place",
        input_schema: { type: "object", properties: {} },
      },
    ],
  });
  const chat = chatOf(id);
  await chat.shows(/› /);
  chat.type("/fold\r");
  await chat.shows(/results are shown whole/);
  await chat.shows(/› /);
  chat.type("bash seq 2 3; mkdir -p /mnt/session/outputs; echo a > /mnt/session/outputs/made.txt\r");
  await chat.shows(/done.*2\S*\r\n {4}\S*3\S*\r\n/);
  await chat.shows(/› /);
  chat.type("/files\r");
  await chat.shows(/made\.txt {2}2 B {2}file_/);
  await chat.shows(/› /);
  chat.type('call weather {"place": "Oslo"}\r');
  await chat.shows(/the agent asks:.*weather/);
  await chat.shows(/what came of it\?/);
  await chat.shows(/› /);
  chat.type("rain\r");
  await chat.shows(/Done\./);
  await chat.shows(/› /);
  chat.type('call weather {"place": "Bergen"}\r');
  await chat.shows(/what came of it\?/);
  await chat.shows(/› /);
  chat.type("\u0004");
  await chat.shows(/the session stays/);
  assert.equal(await chat.ended, 0);
});

test("Ctrl-C interrupts once, and leaves at the second time", async () => {
  const chat = chatOf(free.agent_id);
  const id = /sesn_\w+/.exec(await chat.shows(/session sesn_\w+/))?.[0] ?? "";
  await chat.shows(/› /);
  const watched = await follow(api.client, id);
  chat.type("hang\r");
  await watched.until(({ type }) => type === "span.model_request_start");
  watched.close();
  chat.type("\u0003");
  await chat.shows(/interrupting the agent; press Ctrl-C again to leave/);
  await chat.shows(/› /);
  chat.type("\u0003");
  await chat.shows(/the session stays/);
  assert.equal(await chat.ended, 130);
});

test("without a terminal each line is a message, and what must be asked ends it", async () => {
  const said = await drover(["chat", free.agent_id], { input: "say one\n\nsay two\n" });
  assert.equal(said.code, 0, said.err);
  assert.match(said.out, /^session sesn_\w+\none\ntwo\n$/);
  const waits = await drover(["chat", asking.agent_id], { input: "bash true\nsay never\n" });
  assert.equal(waits.code, 7, waits.err);
  assert.match(waits.out, /▸ bash true\n$/);
  const refused = await drover(["chat", free.agent_id], { env: { DROVER_API_KEY: "not-the-key" } });
  assert.deepEqual([refused.code, refused.err], [4, `The server at ${api.url} refuses the API key.\n`]);
});

test("the terminal is left as it was found, however a conversation ends", async () => {
  const endings: [string, (chat: ReturnType<typeof chatOf>) => void, number][] = [
    ["Ctrl-D", (chat) => chat.type("\u0004"), 0],
    ["Ctrl-C", (chat) => chat.type("\u0003"), 130],
    ["kill -TERM", (chat) => chat.kill("SIGTERM"), 143],
  ];
  for (const [name, end, code] of endings) {
    const chat = chatOf(free.agent_id);
    await chat.shows(/› /);
    end(chat);
    assert.equal(await chat.ended, code, name);
    chat.isAsItWas();
  }
});

test("a secret that is asked for is not shown, and the terminal is left as it was", async () => {
  await api.client.beta.vaults.create({ display_name: "Alice" });
  const set = ["vaults", "set", "Alice", "STRIPE_KEY", "--any-host"];
  const given = onTerminal(set, drover);
  await given.shows(/STRIPE_KEY \(not shown\): /);
  given.type("hush-hush\r");
  await given.shows(/vcrd_\w+ is in vlt_/);
  assert.equal(await given.ended, 0);
  assert.doesNotMatch(given.said(), /hush/);
  given.isAsItWas();
  const pasted = onTerminal(set, drover);
  await pasted.shows(/not shown\): /);
  pasted.type("-----BEGIN HUSH-----\rhush\r-----END HUSH-----");
  await pasted.shows(/STRIPE_KEY: must be a single line/);
  assert.equal(await pasted.ended, 2);
  assert.doesNotMatch(pasted.said(), /hush/i);
  pasted.isAsItWas();
  const left = onTerminal(set, drover);
  await left.shows(/not shown\): /);
  left.type("hush\u0003");
  assert.equal(await left.ended, 130);
  assert.doesNotMatch(left.said(), /hush/);
  left.isAsItWas();
  const killed = onTerminal(set, drover);
  await killed.shows(/not shown\): /);
  killed.kill("SIGTERM");
  assert.equal(await killed.ended, 143);
  killed.isAsItWas();
});
