import assert from "node:assert/strict";
import { isIdle, isOf, message, resultsIn, type StreamEvent, saidIn } from "../../harness/session.ts";
import { bash, hangs, pauses, says } from "../script.ts";
import { type Group, item } from "../suite.ts";
import { asking } from "../tools.ts";

const interrupt = { type: "user.interrupt" as const };

const reasonOf = (events: StreamEvent[]) => events.findLast(isIdle)?.stop_reason;

export const interrupts: Group = {
  title: "Interrupt and steering",
  items: [
    item(
      51,
      "An interrupt stops the answer that is being made; the turn ends with `end_turn` and the interrupt is stamped",
      async ({ session, follow, send }) => {
        const { id } = await session();
        const following = await follow(id);
        await send(id, message([says("begun"), hangs, says("never said")].join("\n")));
        await following.until("span.model_request_start");
        const [sent] = await send(id, interrupt);
        const events = await following.until(isIdle);
        assert.deepEqual(reasonOf(events), { type: "end_turn" });
        assert.equal(saidIn(events), "");
        const stamped = events.findLast(isOf("user.interrupt"));
        assert.equal(stamped?.id, sent);
        assert.ok(stamped?.processed_at);
      },
    ),
    item(
      52,
      "Of an interrupt and a message in one request, the next turn answers the message",
      async ({ session, follow, send }) => {
        const { id } = await session();
        const following = await follow(id);
        await send(id, message(hangs));
        await following.until("span.model_request_start");
        await send(id, interrupt, message(says("redirected")));
        const first = await following.until(isIdle);
        assert.equal(saidIn(first), "");
        assert.equal(saidIn(await following.until(isIdle, 2)), "redirected");
      },
    ),
    item(
      53,
      "An interrupt of an idle session changes nothing, and of a terminated one is refused",
      async ({ client, session, turn, send, list, refused }) => {
        const { id } = await session();
        await turn(id, says("first"));
        await send(id, interrupt);
        assert.equal(saidIn(await turn(id, says("second"))), "second");
        const all = await list(id);
        const between = all.slice(
          all.findIndex(isOf("session.status_idle")) + 1,
          all.findLastIndex(isOf("session.status_running")),
        );
        const effects = between.filter(({ type }) => !/^user\./.test(type));
        assert.deepEqual(effects, []);
        await client.beta.sessions.archive(id);
        await refused(400, "POST", `/v1/sessions/${id}/events`, { body: { events: [interrupt] } });
      },
    ),
    item(
      54,
      "An interrupt while calls wait gives each an error as its result and ends the turn, without asking the model",
      async ({ agent, session, follow, send }) => {
        const { id } = await session({ agent: (await agent({ tools: [asking] })).id });
        const following = await follow(id);
        await send(id, message(`${bash("echo a")}\n${bash("echo b")}`));
        const before = await following.until(isIdle);
        assert.equal(reasonOf(before)?.type, "requires_action");
        await send(id, interrupt);
        const after = (await following.until(isIdle, 2)).slice(before.length);
        assert.deepEqual(reasonOf(after), { type: "end_turn" });
        const text = "Tool execution was interrupted before completion. Please retry.";
        assert.deepEqual(resultsIn(after), [text, text]);
        assert.deepEqual(
          after.filter(isOf("agent.tool_result")).map(({ is_error }) => is_error),
          [true, true],
        );
        assert.deepEqual(after.filter(isOf("span.model_request_start")), []);
      },
    ),
    item(
      55,
      "A message that comes while the session runs is taken up at the next boundary",
      async ({ session, follow, send }) => {
        const { id } = await session();
        const following = await follow(id);
        await send(id, message(`${pauses(500)}\n${says("first")}`));
        await following.until("span.model_request_start");
        const [second] = await send(id, message(says("second")));
        const answered = (event: StreamEvent) => saidIn([event]) === "second";
        const events = await following.until(answered);
        assert.equal(saidIn(events), "first\nsecond");
        const taken = events.findIndex(
          (event) => event.type === "user.message" && event.id === second && event.processed_at !== null,
        );
        assert.ok(
          taken > events.findIndex(isOf("agent.message")),
          "taken up before the first answer was out",
        );
        await following.until((event) => isIdle(event) && following.events.indexOf(event) > taken);
      },
    ),
  ],
};
