import assert from "node:assert/strict";
import { isOf, type ListedEvent, message, saidIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { within } from "../following.ts";
import { bash, next, pauses, says, thinks } from "../script.ts";
import { type Group, item } from "../suite.ts";

export const streams: Group = {
  title: "Streams",
  items: [
    item(
      36,
      "Frames are named after their event, and the TypeScript SDK yields them all",
      async ({ session, raw, follow, send }) => {
        const { id } = await session();
        const bytes = await raw(id);
        const sdk = await follow(id);
        assert.match(bytes.headers["content-type"] ?? "", /^text\/event-stream/);
        await send(id, message(`${says("hi")}\n${bash("true")}`));
        await sdk.until("session.status_idle");
        const frames = await bytes.until(({ event }) => event === "session.status_idle");
        const shown = frames.filter(({ event }) => event !== "ping");
        for (const { event, data } of shown) assert.equal(event, data.type);
        assert.deepEqual(
          sdk.events,
          shown.map(({ data }) => data),
        );
      },
      { except: "the Python SDK" },
    ),
    item(
      37,
      "A silent stream carries a ping at least every 15 s, which the SDK does not show",
      async ({ session, raw, follow }) => {
        const { id } = await session();
        const bytes = await raw(id);
        const sdk = await follow(id);
        await within(
          15_000,
          bytes.until(({ event }) => event === "ping"),
          () => "a ping",
        );
        assert.deepEqual(sdk.events, []);
      },
    ),
    item(
      38,
      "A stream that is open before the message shows the whole turn, and nothing of the turns before",
      async ({ session, turn, follow, send, list }) => {
        const { id } = await session();
        await turn(id, says("first"));
        const following = await follow(id);
        await send(id, message(says("second")));
        const events = await following.until("session.status_idle");
        assert.equal(saidIn(events), "second");
        const all = await list(id);
        const firstIdle = all.findIndex(({ type }) => type === "session.status_idle");
        const stamped = events.filter((event) => "processed_at" in event && event.processed_at);
        assert.deepEqual(stamped, all.slice(firstIdle + 1));
      },
    ),
    item(
      39,
      "Open, list, and skip what is known: no gap and no repeat, wherever the connection breaks",
      async (context) => {
        await Promise.all(
          [1, 2, 4, 7, 11].map(async (events) => {
            const { id } = await context.session();
            const script = [
              thinks("a"),
              says("b"),
              bash("true"),
              next,
              says("c"),
              bash("true"),
              next,
              says("d"),
            ];
            const [seen] = await Promise.all([
              readWithBreaks(context, id, events),
              context.send(id, message(script.join("\n"))),
            ]);
            const all = (await context.list(id)).map((event) => event.id);
            assert.deepEqual(seen, all, `broken after ${events} events`);
          }),
        );
      },
    ),
    item(
      47,
      "Once idle is on a stream, the list holds all that was before it and the session is idle",
      async ({ client, session, turn, list }) => {
        const { id } = await session();
        const events = await turn(id, says("a"), bash("true"), next, says("b"));
        const [all, { status }] = await Promise.all([list(id), client.beta.sessions.retrieve(id)]);
        assert.equal(status, "idle");
        const stamped = events.filter((event) => "processed_at" in event && event.processed_at);
        assert.deepEqual(all, stamped);
      },
    ),
    item(
      48,
      "Who asks for previews gets a start and deltas under the message's id, its text's beginning; nobody else sees them, and nothing is kept",
      async ({ session, follow, send, list, refused }) => {
        const { id } = await session();
        const previewed = await follow(id, { event_deltas: ["agent.message"] });
        const plain = await follow(id);
        await send(id, message([thinks("x"), says("one "), pauses(200), says("two")].join("\n")));
        const events = await previewed.until("session.status_idle");
        const said = events.find(isOf("agent.message"));
        const starts = events.filter(isOf("event_start"));
        assert.deepEqual(
          starts.map(({ event }) => [event.type, event.id]),
          [["agent.message", said?.id]],
        );
        const deltas = events.filter(isOf("event_delta"));
        assert.ok(deltas.length > 0, "no event_delta");
        for (const { event_id } of deltas) assert.equal(event_id, said?.id);
        const parts = deltas.map(({ delta }) => (delta.content.type === "text" ? delta.content.text : ""));
        assert.ok(saidIn(events).startsWith(parts.join("")), `${parts.join("")} is not how it begins`);
        const order = [starts[0], ...deltas, said].map((event) => (event ? events.indexOf(event) : -1));
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );

        const seen = [...(await plain.until("session.status_idle")), ...(await list(id))];
        assert.deepEqual(
          seen.filter(({ type }) => type.startsWith("event_")),
          [],
        );
        const stream = `/v1/sessions/${id}/events/stream`;
        await refused(400, "GET", `${stream}?event_deltas[]=agent.tool_use`);
        const many = Array.from({ length: 101 }, () => "event_deltas[]=agent.message").join("&");
        await refused(400, "GET", `${stream}?${many}`);
      },
    ),
    item(
      49,
      "Previews of thinking are a start alone, and no event carries what was thought",
      async ({ session, follow, send, list }) => {
        const { id } = await session();
        const following = await follow(id, { event_deltas: ["agent.thinking"] });
        await send(id, message(`${thinks("unseen")}\n${says("done")}`));
        const events = await following.until("session.status_idle");
        const thought = events.find(isOf("agent.thinking"));
        assert.deepEqual(
          events.filter(isOf("event_start")).map(({ event }) => [event.type, event.id]),
          [["agent.thinking", thought?.id]],
        );
        assert.deepEqual(events.filter(isOf("event_delta")), []);
        const notOurs = [...events, ...(await list(id))].filter(({ type }) => type !== "user.message");
        assert.doesNotMatch(JSON.stringify(notOurs), /unseen/);
      },
    ),
  ],
};

/** The recipe of clients that lose their connection; it breaks after so many events, again and again. */
async function readWithBreaks({ follow, list }: Context, id: string, events: number): Promise<string[]> {
  const known = new Map<string, ListedEvent["type"]>();
  const isOver = () => [...known.values()].includes("session.status_idle");
  while (!isOver()) {
    const stream = await follow(id);
    for (const event of await list(id)) known.set(event.id, event.type);
    if (!isOver()) {
      const isLast = (event: object) => event === stream.events[events - 1];
      const seen = await stream.until((event) => event.type === "session.status_idle" || isLast(event));
      for (const event of seen) {
        const stamped = "processed_at" in event && event.processed_at ? event : null;
        if (stamped && !known.has(stamped.id)) known.set(stamped.id, stamped.type);
      }
    }
    stream.close();
  }
  return [...known.keys()];
}
