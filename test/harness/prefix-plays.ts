import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { toFile } from "@anthropic-ai/sdk";
import type { ModelsFile } from "../../src/config/models.ts";
import { type Wired, wholeReply } from "../../src/models/wire.spec.ts";
import { png } from "../../src/protocol/testing-images.ts";
import { type FakeUpstream, startFakeUpstream } from "../fakes/upstream.ts";
import type { WireCall } from "../fakes/wire.ts";
import { freePort } from "./free-port.ts";
import { assertExtends, cacheableOf } from "./prefix.ts";
import { type Processes, startProcesses } from "./processes.ts";
import { reconnecting } from "./reconnecting.ts";
import { isIdle, isOf, type ListedEvent, message, send } from "./session.ts";

/** Plays a session with each of these providers, and lets the server die at these of its moments; at the second one it has to. */
export function testPrefixes(wired: readonly Wired[], diesAt: (moment: number) => boolean): void {
  /** One fake for each provider of the server. */
  const fakes = new Map<string, FakeUpstream<unknown>>();
  let processes: Processes;
  let serve: Awaited<ReturnType<Processes["serve"]>>;
  let port: number;

  before(async () => {
    for (const { name } of wired) fakes.set(name, await startFakeUpstream());
    const providers = Object.fromEntries(
      [...fakes].map(([name, { url }]) => [name, { type: name, base_url: url, api_key: "k" }]),
    ) as ModelsFile["providers"];
    processes = await startProcesses({ models: { providers } });
    port = await freePort();
    [, serve] = await Promise.all([processes.hands(), processes.serve(port)]);
    await playAll();
  });
  after(async () => {
    await processes.close();
    for (const fake of fakes.values()) await fake.close();
  });

  /** The next one knows of a session only what its log says. */
  async function killServe(): Promise<void> {
    await serve.kill();
    serve = await processes.serve(port);
  }

  const bash = (id: string, command: string): WireCall => call(id, "bash", JSON.stringify({ command }));
  const call = (id: string, name: string, json: string): WireCall => ({ id, name, json: [json] });

  /** Keys out of order and twice, numbers that JavaScript writes otherwise, characters that databases refuse. */
  const odd = String.raw`{"b":1,"a":{"10":1,"2":[1e21,1.0,-0,12345678901234567890]},"b":2,"text":"\u0000\ud83d\u2028 <&> \u00e9","constructor":null}`;
  const system = (text: string) => ({
    type: "system.message" as const,
    content: [{ type: "text" as const, text }],
  });
  const image = {
    type: "image" as const,
    source: { type: "base64" as const, media_type: "image/png" as const, data: png(3, 2) },
  };

  /** A picture and a text in files. */
  async function uploaded() {
    const files = await Promise.all([
      toFile(Buffer.from(png(5, 4), "base64"), "a.png", { type: "image/png" }),
      toFile(Buffer.from("Kept in a file."), "a.md", { type: "text/markdown" }),
    ]);
    const uploads = files.map((file) => serve.client.files.upload({ file }));
    const [picture = "", text = ""] = (await Promise.all(uploads)).map(({ id }) => id);
    const source = (file_id: string) => ({ type: "file" as const, file_id });
    return {
      shown: [
        { type: "image" as const, source: source(picture) },
        { type: "document" as const, source: source(text) },
      ],
      remove: () => Promise.all([picture, text].map((id) => serve.client.files.delete(id))),
    };
  }

  async function newSession({ name, modelId }: Wired) {
    const agent = await serve.client.beta.agents.create({
      name: "tester",
      model: `${name}/${modelId}`,
      system: "Do as you are told: \u00e9 \ud83d\udc4b",
      tools: [
        {
          type: "agent_toolset_20260401",
          configs: [{ name: "read", permission_policy: { type: "always_ask" } }],
        },
        {
          type: "custom",
          name: "weather",
          description: "Tells the weather",
          input_schema: {
            type: "object",
            properties: { z: { type: "string" }, a: { type: "number" } },
            required: ["z"],
          },
        },
      ],
    });
    const environment = await serve.client.beta.environments.create({ name: "test" });
    return serve.client.beta.sessions.create({ agent: agent.id, environment_id: environment.id });
  }

  /** What each provider was asked. */
  const asked = new Map<string, unknown[]>();

  /** Side by side: whenever all of them have come to a moment, the server may be killed. */
  async function playAll(): Promise<void> {
    const plays = wired.map(play);
    for (let n = 0; ; n += 1) {
      const steps = await Promise.all(plays.map((one) => one.next()));
      if (steps.every(({ done }) => done)) return;
      if (diesAt(n)) await killServe();
    }
  }

  /** A session in which much happens; at each `yield` the server may die. */
  async function* play(played: Wired): AsyncGenerator<void, void> {
    const { wire } = played;
    const fake = fakes.get(played.name) ?? assert.fail();
    const { id } = await newSession(played);
    const client = reconnecting(serve.client, id);
    const say = (...events: Parameters<typeof send>[2][]) => send(serve.client, id, ...events);
    const calls = () =>
      client.seen.filter(
        (event: ListedEvent) => event.type === "agent.custom_tool_use" || event.type === "agent.tool_use",
      );
    const lastCall = () => calls().at(-1)?.id ?? assert.fail("no call");
    const idle = (n: number) => client.until(isIdle, n);
    const reply = (...answers: Parameters<typeof wholeReply>[1][]) =>
      fake.reply(...answers.map((answer) => wholeReply(wire, answer)));
    const hang = () =>
      fake.reply({
        headers: { "content-type": "text/event-stream" },
        chunks: [wire.begun("Well")],
        end: "hang",
      });

    // A failed request, parallel calls of which one fails, and an odd call of the client's tool.
    fake.reply(wire.error("unavailable", { "retry-after-ms": "1" }));
    reply({
      thinking: { pieces: ["I should ", "look."], sealed: "c2VhbGVk" },
      text: ["I ", "look: \u00e9\ud83d\udc4b"],
      calls: [
        bash("callAfake", "printf 'one \\001 \\377'"),
        bash("callBfake", "exit 3"),
        call("callCfake", "weather", odd),
      ],
    });
    await say(message("Go"), system("Be brief."));
    await idle(1);
    yield;

    // Its result has an image; the request with it is cut short by a death.
    hang();
    reply({ calls: [call("callDfake", "read", '{"file_path":"/workspace/none"}')] });
    const before = fake.requests.length;
    await say({
      type: "user.custom_tool_result",
      custom_tool_use_id: lastCall(),
      content: [{ type: "text", text: "Rain." }, image],
    });
    await fake.request(before);
    yield;
    await idle(2);

    // Denied, then allowed.
    reply({ calls: [call("callEfake", "read", '{"file_path":"/workspace/none"}')] });
    await say({
      type: "user.tool_confirmation",
      tool_use_id: lastCall(),
      result: "deny",
      deny_message: "Not that.",
    });
    await idle(3);
    yield;
    reply({ text: ["It is not there."] });
    await say({ type: "user.tool_confirmation", tool_use_id: lastCall(), result: "allow" });
    await idle(4);
    yield;

    // An interrupt in the midst of an answer, one in the midst of a tool, and messages that steer.
    hang();
    const atAnswer = fake.requests.length;
    await say(message("Talk"));
    await fake.request(atAnswer);
    await say({ type: "user.interrupt" });
    await idle(5);
    yield;
    reply({ calls: [bash("callFfake", "echo runs > runs; sleep 100")] }, { text: ["As you wish."] });
    await say(message("Work"), system("Speak German."));
    await processes.workspace(id).written("runs");
    yield;
    const files = await uploaded();
    await say({ type: "user.interrupt" }, message("Rather this"), {
      type: "user.message",
      content: [image, ...files.shown],
    });
    await idle(7);
    await files.remove();
    yield;

    // Arguments that are no object, thoughts alone, nothing at all, and a refusal.
    if (played.call_arguments === "text") reply({ calls: [call("callGfake", "bash", '{"command": "ls')] });
    reply({ thinking: { pieces: ["Hm."], sealed: "aG0=" } });
    await say(message("Break it"));
    await idle(8);
    reply({});
    await say(message("Say nothing"));
    await idle(9);
    yield;
    if (played.refusals) {
      reply({ text: ["I"], stop: "refusal" });
      await say(message("Do evil"));
      await idle(10);
      yield;
    }
    reply({ text: ["Good", "bye."] });
    await say(message("The end"));
    await idle(played.refusals ? 11 : 10);
    assert.deepEqual(client.seen.filter(isOf("session.error")).length, 1);
    await client.close();
    asked.set(
      played.name,
      fake.requests.map(({ body }) => body),
    );
  }

  describe("every request extends the one before it, whatever happens and whoever makes it", () => {
    for (const { name } of wired) {
      test(name, () => {
        const bodies = asked.get(name) ?? [];
        assert.ok(bodies.length > 10);
        assertExtends(bodies);
        const last = cacheableOf(bodies.at(-1)).pieces.join("\n");
        for (const said of [
          "Be brief.",
          "Rain.",
          "Not that.",
          "Speak German.",
          "Rather this",
          "Kept in a file.",
          png(5, 4),
          "The end",
        ])
          assert.equal(last.split(said).length, 2, said);
        assert.match(last, /c2VhbGVk|I should /);
      });
    }
  });
}
