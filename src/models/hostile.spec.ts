import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type FakeReply, type FakeUpstream, startFakeUpstream } from "../../test/fakes/upstream.ts";
import type { WireAnswer } from "../../test/fakes/wire.ts";
import { answerOf, type Ending, requestOf, userSays } from "./model.spec.ts";
import { sseReply, type Wired } from "./wire.spec.ts";

const call = { id: "call0fake", name: "bash", json: ['{"a":', '"ü👋"}'] };
const answer: WireAnswer = { text: ["hé👋"], calls: [call] };

/** Cuts an answer at every `step`-th byte, as a server that dies does and as a proxy that gives up does. */
export function specifyCuts({ name, wire, modelId, model }: Wired, step: number): void {
  test(`${name}: wherever a stream is cut, the answer is whole or failed`, async () => {
    const bytes = new TextEncoder().encode(wire.answer(answer));
    const fake = await startFakeUpstream(({ path }): FakeReply => {
      const [, place, end] = path.split("/");
      return { ...sseReply(bytes.subarray(0, Number(place))), end: end === "cut" ? "cut" : "whole" };
    });
    const cutAt = async (place: number, end: "cut" | "whole") =>
      (await answerOf(model(`${fake.url}/${place}/${end}`), requestOf(modelId, [userSays("go")]))).ending;
    try {
      const complete = await cutAt(bytes.length, "whole");
      assert.ok(complete.type === "finished");
      for (let place = 0; place < bytes.length; place += step) {
        for (const ending of await Promise.all([cutAt(place, "cut"), cutAt(place, "whole")])) {
          if (ending.type === "finished") assert.deepEqual(ending.content, complete.content);
          else if (ending.type === "failed") assert.ok(ending.failure.retryable, ending.failure.message);
          else assert.fail(ending.type);
        }
      }
    } finally {
      await fake.close();
    }
  });
}

/** What no provider should do, and servers, gateways and proxies do. */
export function specifyHostile(wired: Wired): void {
  const { name, wire, modelId } = wired;

  describe(`${name}: what nobody should send`, () => {
    const replies = new Map<string, FakeReply>();
    let fake: FakeUpstream<unknown>;
    let elsewhere: FakeUpstream<unknown>;
    before(async () => {
      // Each request has an address of its own, so that many can be answered at once.
      fake = await startFakeUpstream(({ path }) => replies.get(path.split("/")[1] ?? "") ?? null);
      elsewhere = await startFakeUpstream();
    });
    after(async () => {
      await fake.close();
      await elsewhere.close();
    });

    const go = requestOf(modelId, [userSays("go")]);
    async function play(reply: FakeReply, idle_ms?: number): Promise<Ending> {
      const place = `n${replies.size}`;
      replies.set(place, reply);
      return (await answerOf(wired.model(`${fake.url}/${place}`, idle_ms), go)).ending;
    }
    async function failureOf(reply: FakeReply, idle_ms?: number) {
      const ending = await play(reply, idle_ms);
      assert.ok(ending.type === "failed", JSON.stringify(ending));
      return ending.failure;
    }
    async function finishedOf(reply: FakeReply) {
      const ending = await play(reply);
      assert.ok(ending.type === "finished", JSON.stringify(ending));
      return ending;
    }
    const callsIn = ({ content }: { content: { type: string }[] }) =>
      content.filter((block) => block.type === "tool_use");

    const whole = wire.answer(answer);

    for (const status of [301, 302, 303, 307, 308]) {
      test(`a redirect takes neither key nor conversation elsewhere: ${status}`, async () => {
        const location = `${elsewhere.url.replace("127.0.0.1", "localhost")}/there?and=secret`;
        const failure = await failureOf({ status, headers: { location }, chunks: [] });
        assert.deepEqual([failure.kind, failure.retryable], ["not_configured", false]);
        assert.match(failure.message, /sends requests on to http:\/\/localhost:\d+\. .*base_url/);
        assert.deepEqual(elsewhere.requests, []);
      });
    }

    test("a redirect that leads nowhere", async () => {
      const failure = await failureOf({ status: 302, chunks: [] });
      assert.match(failure.message, /sends requests on to another place/);
    });

    test("a page with status 200", async () => {
      const failure = await failureOf({
        headers: { "content-type": "text/html; charset=utf-8" },
        chunks: ["<h1>Log in to the hotel</h1>"],
      });
      assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
      assert.match(failure.message, /web page/);
    });

    test("nothing at all with status 200", async () => {
      assert.equal((await failureOf({ status: 204, chunks: [] })).kind, "unavailable");
    });

    test("JSON in place of a stream, which names a status", async () => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({
        error: { message: "as told", type: "invalid_request_error", code: 400 },
      });
      const failure = await failureOf({ headers, chunks: [body] });
      assert.deepEqual([failure.kind, failure.retryable], ["rejected", false]);
      assert.match(failure.message, /as told/);
      assert.equal(fake.requests.at(-1)?.headers["user-agent"], "drover");
    });

    test("JSON in place of a stream, which is no error", async () => {
      const headers = { "content-type": "application/json" };
      const failure = await failureOf({ headers, chunks: ['{"hello":"world"}'] });
      assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
    });

    test("headers that are too large", async () => {
      const headers = { "content-type": "text/event-stream", "x-large": "x".repeat(40_000) };
      assert.equal((await failureOf({ headers, chunks: [whole] })).kind, "unavailable");
    });

    test("it is packed, and cut while it is", async () => {
      const headers = { "content-type": "text/event-stream", "content-encoding": "gzip" };
      const packed = gzipSync(whole);
      assert.deepEqual(await play({ headers, chunks: [packed] }), await play(sseReply(whole)));
      const cut = { headers, chunks: [packed.subarray(0, packed.length / 2)] };
      assert.equal((await failureOf(cut)).kind, "unavailable");
    });

    test("other line ends, comments and a byte order mark change nothing", async () => {
      const expected = await finishedOf(sseReply(whole));
      for (const same of [
        whole.replaceAll("\n", "\r\n"),
        `: hello\n\n${whole.replaceAll("\n\n", "\n\n: still here\n\n")}`,
        `\ufeff${whole}`,
      ])
        assert.deepEqual(await play(sseReply(same)), expected);
    });

    test("silence, before the answer and in it", async () => {
      for (const chunks of [[], [wire.begun("and")]]) {
        const failure = await failureOf({ ...sseReply(...chunks), end: "hang" }, 50);
        assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
        assert.match(failure.message, /nothing came for 50 ms/);
      }
    });

    test("no word of usage", async () => {
      const silent = whole.replace(/,?"usage(Metadata)?":(\{(?:[^{}]|\{[^{}]*\})*\})/g, "");
      const ending = await finishedOf(sseReply(silent));
      assert.equal(callsIn(ending).length, 1);
      assert.deepEqual([ending.usage.input_tokens, ending.usage.output_tokens], [0, 0]);
    });

    test("an end that nobody has heard of", async () => {
      const end = (text: string) =>
        text
          .replace(/"(stop_reason|finish_reason|finishReason)":"[^"]+"/g, '"$1":"tired"')
          .replace("response.completed", "response.incomplete")
          .replaceAll("response.completed", "response.incomplete")
          .replace('"incomplete_details":null', '"incomplete_details":{"reason":"tired"}');
      const called = await finishedOf(sseReply(end(whole)));
      assert.deepEqual(called.stop, { reason: "tool_use" });
      const said = await finishedOf(sseReply(end(wire.answer({ text: ["x"] }))));
      assert.deepEqual(said.stop, { reason: "end_turn" });
    });

    test("thoughts, and then nothing", async () => {
      const thinking = { pieces: ["hm"], sealed: "c2VhbGVk" };
      const ending = await finishedOf(sseReply(wire.answer({ thinking })));
      assert.deepEqual([ending.content.length, ending.stop], [1, { reason: "end_turn" }]);
    });

    test("two calls with the same id", async () => {
      const calls = [1, 2].map((n) => ({ id: "call0fake", name: "bash", json: [`{"n":${n}}`] }));
      const ending = await finishedOf(sseReply(wire.answer({ calls })));
      const inputs = ending.content.map((block) => block.type === "tool_use" && block.input);
      assert.deepEqual(inputs, [{ n: 1 }, { n: 2 }]);
    });

    test("arguments of 10 MB, and a name that comes twice in them", async () => {
      const large = "x".repeat(10_000_000);
      const json = wired.call_arguments === "text" ? [`{"a":1,"a":"${large}"}`] : [`{"a":"${large}"}`];
      const ending = await finishedOf(sseReply(wire.answer({ calls: [{ ...call, json }] })));
      const [block] = ending.content;
      assert.ok(block?.type === "tool_use" && block.input.a === large);
    });

    test("what a model invents goes back under a name that the provider takes", async () => {
      const [invented, ...rest] = (
        await finishedOf(sseReply(wire.answer({ calls: [{ ...call, name: "functions.rm -rf é" }] })))
      ).content;
      assert.ok(invented?.type === "tool_use" && rest.length === 0);
      assert.equal(invented.name, "functions.rm -rf é");
      const result = {
        type: "tool_result" as const,
        tool_use_id: invented.id,
        content: [],
        is_error: true,
      };
      const messages = [
        userSays("go"),
        { role: "assistant" as const, content: [invented, { ...invented, id: "call1fake", name: "" }] },
        { role: "user" as const, content: [result, { ...result, tool_use_id: "call1fake" }] },
      ];
      replies.set("back", sseReply(whole));
      await answerOf(wired.model(`${fake.url}/back`), { ...go, messages });
      const sent = fake.requests.at(-1)?.text ?? "";
      assert.match(sent, /"functions_rm_-rf__"/);
      assert.match(sent, /"unnamed"/);
      assert.doesNotMatch(sent, /functions\.rm/);
    });
  });
}
