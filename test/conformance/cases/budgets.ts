import assert from "node:assert/strict";
import { isIdle, isOf, message, type StreamEvent, saidIn, typesOf } from "../../harness/session.ts";
import { calls, costs, next, says } from "../script.ts";
import { type Group, item, notYet } from "../suite.ts";
import { lookup } from "../tools.ts";

const limit = (amount: string) => ({
  type: "limit" as const,
  max_list_cost: { amount, currency: "USD" as const },
});

/** Dear at any model's price, so that one answer uses a budget of a cent up. */
const dear = costs({ in: 1_000_000, out: 1_000_000 });

const reasonsIn = (events: StreamEvent[]) =>
  events.slice(-3).flatMap((event) => ("stop_reason" in event ? [event.stop_reason.type] : []));

export const budgets: Group = {
  title: "Outcomes and budgets",
  items: [
    notYet(81, "An outcome is worked on until its rubric is satisfied", "outcomes are not built yet"),
    item(
      82,
      "A used-up budget stops the session until it is raised above what was spent, or removed for good; answers are still taken, and outrank it",
      async ({ client, agent, session, follow, send, list, refused }) => {
        const { id } = await session({
          agent: (await agent({ tools: [lookup] })).id,
          budget: limit("1"),
        });
        const path = `/v1/sessions/${id}`;
        const following = await follow(id);
        await send(id, message([dear, calls("lookup"), next, dear, says("done")].join("\n")));
        const asked = await following.until(isIdle);
        assert.deepEqual(reasonsIn(asked), ["requires_action", "requires_action"]);
        const use = asked.find(isOf("agent.custom_tool_use"))?.id ?? "";
        await refused(400, "POST", `${path}/events`, { body: { events: [message("more")] } });
        await send(id, { type: "user.custom_tool_result", custom_tool_use_id: use });
        const stopped = await following.until(isIdle, 2);
        assert.deepEqual(typesOf(stopped).slice(-3), [
          "session.thread_status_idle",
          "session.usage",
          "session.status_idle",
        ]);
        assert.deepEqual(reasonsIn(stopped), ["budget_reached", "budget_reached"]);
        assert.equal(stopped.filter(isOf("span.model_request_start")).length, 1);

        await refused(400, "POST", `${path}/events`, {
          body: { events: [message("more")] },
          says: /user\.tool_confirmation.*user\.tool_result.*user\.custom_tool_result.*user\.interrupt/s,
        });
        await send(id, { type: "user.interrupt" });
        assert.deepEqual((await list(id)).filter(isOf("user.interrupt")), []);
        await refused(400, "POST", path, { body: { budget: limit("1") } });
        const cost = Number((await client.beta.sessions.retrieve(id)).usage.list_cost?.amount);
        assert.ok(cost > 1, `the session is said to have cost ${cost} cents`);
        await client.beta.sessions.update(id, { budget: limit(String(cost + 1)) });
        const raised = await following.until(isIdle, 3);
        assert.equal(saidIn(raised), "done");

        await client.beta.sessions.update(id, { budget: null });
        await refused(400, "POST", path, { body: { budget: limit("100000") } });
        const free = await session();
        await refused(400, "POST", `/v1/sessions/${free.id}`, { body: { budget: limit("100") } });
      },
    ),
  ],
};
