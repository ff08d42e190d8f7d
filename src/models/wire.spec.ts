import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { type FakeReply, type FakeUpstream, startFakeUpstream } from "../../test/fakes/upstream.ts";
import type { Wire, WireAnswer, WireError } from "../../test/fakes/wire.ts";
import { answerOf, type Order, requestOf, specifyModel, userSays } from "./model.spec.ts";
import type { Model, ModelRequest } from "./model.ts";

/** A provider, and how it writes what it answers. */
export interface Wired {
  name: string;
  wire: Wire;
  modelId: string;
  /** Arguments of calls come as text, which may be anything, or as a JSON object. */
  call_arguments: "text" | "object";
  usage_from_the_start: boolean;
  /** Whether the end of an answer can say that the provider refuses to go on. */
  refusals: boolean;
  model(base_url: string, idle_ms?: number): Model;
}

export const wholeReply = (wire: Wire, answer: WireAnswer): FakeReply => sseReply(wire.answer(answer));

export const sseReply = (...chunks: (string | Uint8Array)[]): FakeReply => ({
  headers: { "content-type": "text/event-stream" },
  chunks,
});

function replyTo(order: Order, wire: Wire): FakeReply {
  if ("text" in order) {
    const middle = order.text.length / 2;
    return wholeReply(wire, { text: [order.text.slice(0, middle), order.text.slice(middle)] });
  }
  if ("calls" in order) {
    const calls = order.calls.map(({ name, input }, i) => ({
      id: `call${i}fake`,
      name,
      json: JSON.stringify(input).split(/(?=[:,])/),
    }));
    return wholeReply(wire, { calls });
  }
  if ("failure" in order) return wire.error(order.failure);
  return { ...sseReply(wire.begun(order.hangAfter)), end: "hang" };
}

/** What every provider does alike, against a fake of its wire format. */
export function specifyWire(wired: Wired): void {
  const { name, wire, modelId } = wired;

  specifyModel(name, async () => {
    const upstream = await startFakeUpstream<unknown>();
    return {
      model: wired.model(upstream.url),
      modelId,
      usage_from_the_start: wired.usage_from_the_start,
      order: (order) => {
        upstream.reply(replyTo(order, wire));
        return [userSays("go")];
      },
      close: () => upstream.close(),
    };
  });

  describe(`${name}: odd answers`, () => {
    let fake: FakeUpstream<unknown>;
    before(async () => {
      fake = await startFakeUpstream();
    });
    after(() => fake.close());

    const go = requestOf(modelId, [userSays("go")]);
    const play = (reply: FakeReply, request: ModelRequest = go) => {
      fake.reply(reply);
      return answerOf(wired.model(fake.url), request);
    };
    const failureOf = async (reply: FakeReply) => {
      const { ending } = await play(reply);
      assert.ok(ending.type === "failed", JSON.stringify(ending));
      return ending.failure;
    };

    test("an empty answer ends the turn", async () => {
      const { ending } = await play(wholeReply(wire, {}));
      assert.ok(ending.type === "finished");
      assert.deepEqual([ending.content, ending.stop], [[], { reason: "end_turn" }]);
    });

    test("parallel calls whose pieces take turns", async () => {
      const input = (i: number) => ({ command: `echo ${i}`, list: [i, { deep: "é👋" }] });
      const calls = [0, 1, 2].map((i) => ({
        id: `call${i}fake`,
        name: "bash",
        json: [...JSON.stringify(input(i))],
      }));
      const { ending } = await play(wholeReply(wire, { text: ["Look."], calls }));
      assert.ok(ending.type === "finished");
      const [text, ...blocks] = ending.content;
      assert.ok(text?.type === "text" && text.text === "Look.");
      assert.deepEqual(
        blocks.map((block) => block.type === "tool_use" && [block.id, block.input]),
        calls.map(({ id }, i) => [id, input(i)]),
      );
    });

    test("a call without arguments", async () => {
      const { ending } = await play(
        wholeReply(wire, { calls: [{ id: "call0fake", name: "bash", json: [] }] }),
      );
      assert.ok(ending.type === "finished" && ending.content[0]?.type === "tool_use");
      assert.deepEqual([ending.content[0].input, ending.content[0].malformed], [{}, undefined]);
    });

    if (wired.call_arguments === "text") {
      for (const json of ['{"command": "ls', "[1]", "null", '"text"', "not json"]) {
        test(`arguments that are no object: ${json}`, async () => {
          const { ending } = await play(
            wholeReply(wire, { calls: [{ id: "call0fake", name: "bash", json: [json] }] }),
          );
          assert.ok(ending.type === "finished" && ending.content[0]?.type === "tool_use");
          assert.deepEqual([ending.content[0].input, ending.content[0].malformed], [{}, json]);
          assert.deepEqual(ending.stop, { reason: "tool_use" });
        });
      }
    }

    test("an answer that reached the limit of its length", async () => {
      const { ending } = await play(wholeReply(wire, { text: ["and so"], stop: "length" }));
      assert.ok(ending.type === "finished");
      assert.deepEqual(ending.stop, { reason: "max_tokens" });
    });

    test(wired.refusals ? "a refusal" : "a refusal, for which the vendor has no word", async () => {
      const { ending } = await play(wholeReply(wire, { text: ["I"], stop: "refusal" }));
      assert.ok(ending.type === "finished");
      assert.equal(ending.stop.reason, wired.refusals ? "refusal" : "end_turn");
    });

    test("usage, with what was read from a cache", async () => {
      const { ending } = await play(
        wholeReply(wire, { text: ["x"], usage: { input: 7, cached: 100, output: 3 } }),
      );
      const { input_tokens, cache_read_input_tokens, output_tokens } = ending.usage;
      assert.deepEqual([input_tokens, cache_read_input_tokens, output_tokens], [7, 100, 3]);
    });

    for (const end of ["cut", "whole"] as const) {
      test(`a stream that ends in the middle: ${end}`, async () => {
        const failure = await failureOf({ ...sseReply(wire.begun("and then")), end });
        assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
      });
    }

    test("an answer without a word", async () => {
      assert.equal((await failureOf(sseReply(""))).kind, "unavailable");
    });

    test("a stream that is none", async () => {
      const failure = await failureOf(sseReply("data: {not json}\n\n"));
      assert.deepEqual([failure.kind, failure.retryable], ["unavailable", true]);
    });

    for (const kind of ["overloaded", "rate_limited", "unavailable", "authentication"] as const) {
      test(`an error within a stream: ${kind}`, async () => {
        const failure = await failureOf(sseReply(wire.errorInside(kind)));
        assert.equal(failure.kind, kind);
        assert.match(failure.message, /as ordered/);
      });
    }

    test("an error in place of a stream, with status 200", async () => {
      const { headers = {}, chunks } = wire.error("rate_limited");
      const failure = await failureOf({ status: 200, headers, chunks });
      assert.ok(failure.retryable);
    });

    const kinds: WireError[] = ["billing", "authentication", "rejected", "not_configured"];
    for (const kind of kinds) {
      test(`not worth another try: ${kind}`, async () => {
        const failure = await failureOf(wire.error(kind));
        assert.deepEqual([failure.kind, failure.retryable], [kind, false]);
        assert.match(failure.message, /as ordered/);
      });
    }

    test("a body that is too large is a conversation that is too long", async () => {
      const failure = await failureOf({ ...wire.error("rejected"), status: 413 });
      assert.deepEqual([failure.kind, failure.retryable], ["too_long", false]);
    });

    for (const [header, value, ms] of [
      ["retry-after", "7", 7_000],
      ["retry-after-ms", "250", 250],
    ] as const) {
      test(`it says when to come back: ${header}`, async () => {
        const failure = await failureOf(wire.error("rate_limited", { [header]: value }));
        assert.equal(failure.retry_after_ms, ms);
      });
    }

    test("nobody is there", async () => {
      const gone = await startFakeUpstream();
      await gone.close();
      const { ending } = await answerOf(wired.model(gone.url), go);
      assert.ok(ending.type === "failed");
      assert.deepEqual([ending.failure.kind, ending.failure.retryable], ["unavailable", true]);
      assert.match(ending.failure.message, /ECONNREFUSED/);
    });

    test("a page of a proxy instead of an answer", async () => {
      const failure = await failureOf({
        status: 502,
        headers: { "content-type": "text/html" },
        chunks: ["<h1>Bad gateway</h1>"],
      });
      assert.equal(failure.kind, "unavailable");
    });

    test("any chunks of the same bytes are the same events", async () => {
      const answer: WireAnswer = {
        thinking: { pieces: ["Grü", "ße 世界"], sealed: "c2VhbGVk" },
        text: ["👋 ", "naïve ", "\u2028"],
        calls: [
          { id: "call0fake", name: "bash", json: ['{"a":', '"ü👋"}'] },
          { id: "call1fake", name: "bash", json: ['{"b"', ":[1]}"] },
        ],
      };
      const whole = wire.answer(answer);
      const expected = await play(sseReply(whole));
      assert.equal(expected.ending.type, "finished");
      const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(cuts, async (where) => {
          const bytes = new TextEncoder().encode(whole);
          const inner = where.map((part) => Math.floor(part * bytes.length));
          const places = [0, ...inner, bytes.length].sort((a, b) => a - b);
          const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
          assert.deepEqual(await play(sseReply(...chunks)), expected);
        }),
        { numRuns: 25 },
      );
    });

    test("abort closes the connection", async () => {
      const count = fake.requests.length;
      const abort = new AbortController();
      fake.reply({ ...sseReply(), end: "hang" });
      const answer = answerOf(wired.model(fake.url), go, abort.signal);
      const request = await fake.request(count);
      abort.abort();
      assert.equal((await answer).ending.type, "aborted");
      assert.equal(await request.ended, "closed");
    });

    test("a reader that leaves closes the connection", async () => {
      const count = fake.requests.length;
      fake.reply({ ...sseReply(wire.begun("one")), end: "hang" });
      for await (const event of wired.model(fake.url).stream(go, new AbortController().signal)) {
        if (event.type === "text_delta") break;
      }
      assert.equal(await (await fake.request(count)).ended, "closed");
    });
  });
}
