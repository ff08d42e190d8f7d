import assert from "node:assert/strict";
import {
  collected,
  isIdle,
  isOf,
  type ListedEvent,
  message,
  type StreamEvent,
  typesOf,
} from "../../harness/session.ts";
import { bash, calls, costs, hangs, isOverloaded, next, refuses, says } from "../script.ts";
import { type Group, item } from "../suite.ts";
import { lookup } from "../tools.ts";

export const events: Group = {
  title: "Events",
  items: [
    item(
      40,
      "A message is shown twice under one id, queued and then stamped; the answer to a custom tool once, stamped",
      async ({ agent, session, follow, send }) => {
        const { id } = await session({ agent: (await agent({ tools: [lookup] })).id });
        const following = await follow(id);
        const [sent] = await send(id, message(calls("lookup")));
        const asked = await following.until(isIdle);
        const shown = asked.filter(isOf("user.message"));
        assert.deepEqual(
          shown.map((event) => event.id),
          [sent, sent],
        );
        assert.deepEqual(
          shown.map(({ processed_at }) => processed_at !== null),
          [false, true],
        );
        const call = asked.find(isOf("agent.custom_tool_use"));
        await send(id, { type: "user.custom_tool_result", custom_tool_use_id: call?.id ?? "" });
        const answers = (await following.until(isIdle, 2)).filter(isOf("user.custom_tool_result"));
        assert.equal(answers.length, 1);
        assert.ok(answers[0]?.processed_at);
      },
    ),
    item(
      41,
      "One bad event refuses the whole request; of a good one the answer keeps the order",
      async ({ client, session, list, refused }) => {
        const { id } = await session();
        const [good, bad] = [message(says("a")), message("")];
        const body = { events: [good, bad, good] };
        await refused(400, "POST", `/v1/sessions/${id}/events`, { body, says: /events\.1/ });
        assert.deepEqual((await list(id)).filter(isOf("user.message")), []);
        const texts = ["1", "2", "3"].map(says);
        const { data } = await client.beta.sessions.events.send(id, { events: texts.map(message) });
        const answered = (data ?? []).map((event) => (event.type === "user.message" ? event.content : []));
        assert.deepEqual(
          answered.map(([block]) => (block?.type === "text" ? block.text : "")),
          texts,
        );
      },
    ),
    item(42, "An empty text is refused by its path", async ({ session, refused }) => {
      const { id } = await session();
      const body = { events: [message("")] };
      await refused(400, "POST", `/v1/sessions/${id}/events`, { body, says: /events\.0\.content\.0\.text/ });
    }),
    item(43, "A client sends no `redacted` block", async ({ session, refused }) => {
      const { id } = await session();
      const content = [{ type: "text", text: "say a" }, { type: "redacted" }];
      const body = { events: [{ type: "user.message", content }] };
      await refused(400, "POST", `/v1/sessions/${id}/events`, { body });
    }),
    item(
      44,
      "A turn's events come in their order, and `session.usage` right before every idle, whatever the reason",
      async ({ agent, session, turn, follow, send }) => {
        const plain = await session();
        const events = await turn(plain.id, says("a"), bash("true"), next, says("b"));
        const bySession = events.filter(({ type }) => type !== "user.message");
        assert.deepEqual(typesOf(bySession).slice(0, 2).toSorted(), [
          "session.status_running",
          "session.thread_status_running",
        ]);
        assert.deepEqual(typesOf(bySession).slice(2), [
          "span.model_request_start",
          "agent.message",
          "agent.tool_use",
          "span.model_request_end",
          "agent.tool_result",
          "span.model_request_start",
          "agent.message",
          "span.model_request_end",
          "session.thread_status_idle",
          "session.usage",
          "session.status_idle",
        ]);

        const asking = await session({ agent: (await agent({ tools: [lookup] })).id });
        const interrupted = await session();
        const following = await follow(interrupted.id);
        await send(interrupted.id, message(hangs));
        await following.until("span.model_request_start");
        await send(interrupted.id, { type: "user.interrupt" });
        const ends: [string, StreamEvent[]][] = [
          ["end_turn", events],
          ["end_turn", await following.until(isIdle)],
          ["requires_action", await turn(asking.id, calls("lookup"))],
          ["refusal", await turn(plain.id, refuses("cyber"))],
        ];
        for (const [reason, seen] of ends) {
          const last = seen.slice(-3);
          const expected = ["session.thread_status_idle", "session.usage", "session.status_idle"];
          assert.deepEqual(typesOf(last), expected, reason);
          const reasons = last.flatMap((event) => ("stop_reason" in event ? [event.stop_reason.type] : []));
          assert.deepEqual(reasons, [reason, reason]);
        }
      },
    ),
    item(
      45,
      "The first status of a thread is of the primary one",
      async ({ client, session, turn }) => {
        const { id, agent } = await session();
        const events = await turn(id, says("a"));
        const statuses = events.filter(
          (event) =>
            isOf("session.thread_status_running")(event) || isOf("session.thread_status_idle")(event),
        );
        assert.deepEqual(typesOf(statuses), ["session.thread_status_running", "session.thread_status_idle"]);
        const [primary, ...others] = await collected(client.beta.sessions.threads.list(id));
        assert.equal(primary?.parent_thread_id, null);
        assert.deepEqual(others, []);
        for (const { session_thread_id, agent_name } of statuses) {
          assert.equal(session_thread_id, primary.id);
          assert.equal(agent_name, agent.name);
        }
      },
      { except: "sessions of several threads, which are not built yet" },
    ),
    item(
      46,
      "The list is filtered by type and by `processed_at`, and can be read backwards",
      async ({ client, session, turn, list }) => {
        const { id } = await session();
        await turn(id, says("a"), bash("true"));
        await turn(id, says("b"));
        const all = await list(id);
        const found = async (params: Parameters<typeof client.beta.sessions.events.list>[1]) =>
          typesOf((await client.beta.sessions.events.list(id, { limit: 1000, ...params })).data);
        const where = (test: (event: ListedEvent) => boolean) => typesOf(all.filter(test));
        const types = ["agent.message", "agent.tool_use"] as const;
        assert.deepEqual(
          await found({ types: [...types] }),
          where(({ type }) => types.some((one) => one === type)),
        );
        assert.deepEqual(await found({ order: "desc" }), typesOf(all.toReversed()));
        const timeOf = (event: ListedEvent | undefined) =>
          event && "processed_at" in event ? (event.processed_at ?? "") : "";
        const at = timeOf(all.findLast(isOf("session.status_running")));
        for (const [params, test] of [
          [{ "created_at[gte]": at }, (time: string) => time >= at],
          [{ "created_at[gt]": at }, (time: string) => time > at],
          [{ "created_at[lt]": at }, (time: string) => time < at],
          [{ "created_at[lte]": at }, (time: string) => time <= at],
        ] as const) {
          assert.deepEqual(
            await found(params),
            where((event) => test(timeOf(event))),
            Object.keys(params).join(),
          );
        }
      },
    ),
    item(
      50,
      "The span of a model request ends after an error and an interrupt too, and the spans' usage sums up to the session's",
      async ({ client, session, turn, follow, send }) => {
        const { id } = await session();
        const usage = costs({ in: 100, out: 20, cache_read: 30, cache_5m: 40 });
        const failed = await turn(id, `for the session ${id}`, isOverloaded(1), usage, says("a"));
        const following = await follow(id);
        await send(id, message(`${says("b")}\n${hangs}`));
        await following.until("span.model_request_start");
        await send(id, { type: "user.interrupt" });
        const interrupted = await following.until(isIdle);

        const ends = [...failed, ...interrupted].filter(isOf("span.model_request_end"));
        assert.deepEqual(
          ends.map(({ is_error }) => is_error === true),
          [true, false, true],
        );
        const starts = [...failed, ...interrupted].filter(isOf("span.model_request_start"));
        assert.deepEqual(
          ends.map((end) => end.model_request_start_id),
          starts.map((start) => start.id),
        );
        const sum = (count: (usage: (typeof ends)[number]["model_usage"]) => number) =>
          ends.reduce((total, { model_usage }) => total + count(model_usage), 0);
        const { usage: whole } = await client.beta.sessions.retrieve(id);
        const written = whole.cache_creation;
        assert.deepEqual(
          {
            input: whole.input_tokens,
            output: whole.output_tokens,
            read: whole.cache_read_input_tokens,
            written: (written?.ephemeral_5m_input_tokens ?? 0) + (written?.ephemeral_1h_input_tokens ?? 0),
          },
          {
            input: sum((used) => used.input_tokens),
            output: sum((used) => used.output_tokens),
            read: sum((used) => used.cache_read_input_tokens),
            written: sum((used) => used.cache_creation_input_tokens),
          },
        );
        assert.ok((whole.input_tokens ?? 0) >= 100);
      },
    ),
  ],
};
