import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { answerReply, type FakeRequest, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { startTestServer } from "./harness/server.ts";
import {
  isOf,
  listed,
  newSession,
  prepare,
  resultsIn,
  type StreamEvent,
  saidIn,
  turn,
} from "./harness/session.ts";

const upstream = await startFakeAnthropic();
const api = await startTestServer({ anthropic_url: upstream.url });
const facts = await prepare(api.client, "claude-opus-5-5");
after(async () => {
  await api.close();
  await upstream.close();
});

/** The sessions of the tests so far, and what the provider was sent for them. */
const played: { id: string; requests: FakeRequest[] }[] = [];

interface Call {
  name: string;
  /** JSON as the model writes it. */
  json: string;
}

const bash = (command: string): Call => ({ name: "bash", json: JSON.stringify({ command }) });

const hostile: [string, Call, RegExp | null][] = [
  ["NUL bytes", bash("printf 'a\\0b\\0'"), /^a/],
  [
    "bytes that are no UTF-8, and halves of surrogate pairs",
    bash("printf '\\377\\376 \\355\\240\\200 \\355\\260\\200 end'"),
    /end$/,
  ],
  [
    "a character cut in two by the limit",
    bash("head -c 99999 /dev/zero | tr '\\0' x; printf '\\303\\251'; head -c 99999 /dev/zero | tr '\\0' y"),
    /x+/,
  ],
  ["ANSI codes", bash("printf '\\033[2J\\033[31mred\\033]0;title\\007'"), /red/],
  ["every byte there is", bash('for i in $(seq 0 255); do printf "\\\\x$(printf %x $i)"; done'), null],
  [
    "10 MB on one line",
    bash("head -c 10000000 /dev/zero | tr '\\0' z"),
    /All of it is in \/mnt\/session\/tool_results\/sevt_\w+\.txt:/,
  ],
  ["10 MB of NUL", bash("head -c 10000000 /dev/zero"), null],
  ["a million lines", bash("seq 1000000"), /All of it is in \/mnt\/session\/tool_results\/sevt_\w+\.txt:/],
  ["what looks like an event stream", bash("printf 'event: x\\ndata: {}\\n\\nid: 0-0\\n\\n'"), /event: x/],
  ["what looks like JSON of ours", bash('echo \'"}]}, {"type":"agent.tool_result"\''), /agent\.tool_result/],
  ["nothing at all", bash("true"), null],
  ["whitespace alone", bash("printf '\\n \\t\\n'"), null],
  ["a command with NUL", { name: "bash", json: '{"command":"echo a\\u0000b"}' }, null],
  ["a command with half a surrogate pair", { name: "bash", json: '{"command":"echo \\ud800 x"}' }, /x/],
  ["a command of 1 MB", bash(`: ${"x".repeat(1 << 20)}`), null],
  ["quotes and newlines", bash("echo \"it's\" 'a \"b\"'\necho $'\\n'x"), /it's a "b"/],
  ["a path with NUL", { name: "read", json: '{"file_path":"a\\u0000b"}' }, null],
  ["a path that begins with a hyphen", { name: "read", json: '{"file_path":"--help"}' }, /no such file/],
  ["a path of 200 kB", { name: "read", json: JSON.stringify({ file_path: "p".repeat(200_000) }) }, null],
  ["a pattern that is no expression", { name: "grep", json: '{"pattern":"(((("}' }, null],
  [
    "a pattern that would run something",
    { name: "glob", json: '{"pattern":"$(touch /workspace/pwned)*"}' },
    /No files match/,
  ],
  [
    "a text to write with NUL and half a pair",
    { name: "write", json: '{"file_path":"odd","content":"\\u0000\\ud800"}' },
    /Wrote/,
  ],
  ["input with __proto__", { name: "bash", json: '{"__proto__":{"x":1},"command":"echo proto"}' }, /proto/],
  [
    "input with fields nobody knows",
    { name: "bash", json: '{"command":"echo known","10":1,"2":[{}]}' },
    /known/,
  ],
  ["input of the wrong types", { name: "bash", json: '{"command":5}' }, /input is not valid/],
  ["input that is a list", { name: "bash", json: "[1,2]" }, /not a JSON object/],
  ["input that is cut off", { name: "bash", json: '{"command":"ec' }, /not a JSON object/],
  [
    "a number that loses digits",
    { name: "bash", json: '{"command":"echo n","timeout_ms":12345678901234567890}' },
    /input is not valid/,
  ],
  ["a tool that is not there", { name: "sudo", json: "{}" }, /not enabled/],
  ["a tool called constructor", { name: "constructor", json: "{}" }, /not enabled/],
];

const withoutMarks = (text: string) => text.replaceAll(',"cache_control":{"type":"ephemeral"}', "");

/** Each request must extend the one before it, byte for byte. */
function assertExtends(requests: { text: string }[]): void {
  const texts = requests.map(({ text }) => withoutMarks(text));
  for (const [i, text] of texts.entries()) {
    const next = texts[i + 1];
    if (next !== undefined)
      assert.ok(next.startsWith(text.slice(0, -"]}".length)), `request ${i + 1} changed its past`);
  }
}

/** The provider refuses a body with half a surrogate pair in it, however it is written. */
function assertWellFormed(json: string): void {
  JSON.parse(json, (key, value) => {
    assert.ok(key.isWellFormed());
    if (typeof value === "string") assert.ok(value.isWellFormed());
    return value;
  });
}

describe("a session goes on, and its context stays as it was, after", () => {
  for (const [what, call, expected] of hostile) {
    test(what, async () => {
      const { id } = await newSession(api.client, facts);
      const from = upstream.requests.length;
      upstream.reply(
        answerReply({ blocks: [{ type: "tool_use", id: "toolu_1", name: call.name, json: [call.json] }] }),
        textReply("I saw it."),
        textReply("Still here."),
      );
      const events: StreamEvent[] = await turn(api.client, id, "go");
      assert.equal(saidIn(events), "I saw it.");
      const [result] = resultsIn(events);
      assert.ok(result !== undefined);
      if (expected) assert.match(result, expected);
      assert.ok(Buffer.byteLength(result) < 350_000);
      assert.equal(events.filter(isOf("session.error")).length, 0);
      assert.deepEqual(await listed(api.client, id), events.slice(1));

      assert.equal(saidIn(await turn(api.client, id, "and?")), "Still here.");
      const requests = upstream.requests.slice(from);
      assert.equal(requests.length, 3);
      assertExtends(requests);
      for (const { text } of requests) assertWellFormed(text);
      played.push({ id, requests });
    });
  }

  test("a restart of the server", async () => {
    await api.stop();
    const next = await startTestServer({ beside: api, anthropic_url: upstream.url });
    try {
      assert.equal(played.length, hostile.length);
      for (const { id, requests } of played) {
        upstream.reply(textReply("Here again."));
        assert.equal(saidIn(await turn(next.client, id, "and now?")), "Here again.");
        assertExtends([...requests, ...upstream.requests.slice(-1)]);
      }
    } finally {
      await next.stop();
    }
  });
});
