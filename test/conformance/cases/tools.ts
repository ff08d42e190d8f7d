import assert from "node:assert/strict";
import { isIdle, isOf, message, resultsIn, type StreamEvent, saidIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { bash, calls, echoes, next, says } from "../script.ts";
import { type Group, item } from "../suite.ts";
import { asking, lookup, toolset } from "../tools.ts";
import { mcpItems } from "./mcp.ts";

const confirmation = (tool_use_id: string, result: "allow" | "deny", deny_message?: string) => ({
  type: "user.tool_confirmation" as const,
  tool_use_id,
  result,
  deny_message,
});

/** The ids that the newest idle says the client has to answer. */
function waitingIn(events: StreamEvent[]): string[] {
  const reason = events.findLast(isIdle)?.stop_reason;
  assert.equal(reason?.type, "requires_action");
  return reason.type === "requires_action" ? reason.event_ids.toSorted() : [];
}

/** A session whose calls wait for permission, up to the point where these do. */
async function asked({ agent, session, follow, send }: Context, ...script: string[]) {
  const { id } = await session({ agent: (await agent({ tools: [asking] })).id });
  const following = await follow(id);
  await send(id, message(script.join("\n")));
  const events = await following.until(isIdle);
  const uses = events.filter(isOf("agent.tool_use"));
  assert.deepEqual(waitingIn(events), uses.map((use) => use.id).toSorted());
  for (const use of uses) assert.equal(use.evaluated_permission, "ask");
  return { id, following, uses: uses.map((use) => use.id) };
}

/** A picture of one pixel. */
const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const tools: Group = {
  title: "Tools and permissions",
  items: [
    item(
      56,
      "A call under `always_ask` waits; allowed it runs, and denied its result says why",
      async (context) => {
        const { id, following, uses } = await asked(context, bash("echo ran"), next, echoes);
        await context.send(id, confirmation(uses[0] ?? "", "allow"));
        const allowed = await following.until(isIdle, 2);
        assert.match(saidIn(allowed), /^ran\s*$/);
        const other = await asked(context, bash("echo ran"), next, says("so be it"));
        await context.send(other.id, confirmation(other.uses[0] ?? "", "deny", "not on a Sunday"));
        const denied = await other.following.until(isIdle, 2);
        assert.match(resultsIn(denied).join(), /not on a Sunday/);
        assert.doesNotMatch(resultsIn(denied).join(), /ran/);
        assert.equal(saidIn(denied), "so be it");
      },
    ),
    item(
      57,
      "Of two calls that wait both are named; after one answer the other is; both answers in one request go on",
      async (context) => {
        const script = [bash("echo a"), bash("echo b"), next, says("done")];
        const { id, following, uses } = await asked(context, ...script);
        const [first = "", second = ""] = uses;
        await context.send(id, confirmation(first, "allow"));
        assert.deepEqual(waitingIn(await following.until(isIdle, 2)), [second]);
        await context.send(id, confirmation(second, "allow"));
        assert.equal(saidIn(await following.until(isIdle, 3)), "done");
        const both = await asked(context, ...script);
        await context.send(both.id, ...both.uses.map((use) => confirmation(use, "allow")));
        const after = await both.following.until(isIdle, 2);
        assert.equal(saidIn(after), "done");
        assert.deepEqual(
          resultsIn(after)
            .map((text) => text.trim())
            .toSorted(),
          ["a", "b"],
        );
      },
    ),
    item(
      58,
      "Confirming a call that was allowed, or none at all, is refused",
      async ({ session, turn, refused }) => {
        const { id } = await session();
        const events = await turn(id, bash("true"));
        const use = events.find(isOf("agent.tool_use"));
        assert.equal(use?.evaluated_permission, "allow");
        for (const tool_use_id of [use.id, `${use.id.slice(0, -4)}zzzz`]) {
          const body = { events: [confirmation(tool_use_id, "allow")] };
          await refused(400, "POST", `/v1/sessions/${id}/events`, { body });
        }
      },
    ),
    item(
      59,
      "A call of a disabled tool is denied with an error as its result, and the turn goes on",
      async ({ agent, session, turn }) => {
        const tools = [{ ...toolset, configs: [{ name: "bash" as const, enabled: false }] }];
        const { id } = await session({ agent: (await agent({ tools })).id });
        const events = await turn(id, bash("true"), next, says("on we go"));
        assert.equal(events.find(isOf("agent.tool_use"))?.evaluated_permission, "deny");
        assert.equal(events.find(isOf("agent.tool_result"))?.is_error, true);
        assert.equal(saidIn(events), "on we go");
      },
    ),
    item(
      60,
      "A custom tool can be answered before the session is idle, with an image too; a wrong id is refused",
      async ({ agent, session, follow, send, list, refused }) => {
        const { id } = await session({ agent: (await agent({ tools: [toolset, lookup] })).id });
        const following = await follow(id);
        // The command runs while the client answers.
        await send(id, message([calls("lookup"), bash("sleep 1"), next, echoes].join("\n")));
        const events = await following.until("agent.custom_tool_use");
        const use = events.find(isOf("agent.custom_tool_use"))?.id ?? "";
        const answer = (custom_tool_use_id: string) => ({
          type: "user.custom_tool_result" as const,
          custom_tool_use_id,
          content: [
            { type: "text" as const, text: "found" },
            {
              type: "image" as const,
              source: { type: "base64" as const, media_type: "image/png" as const, data: pixel },
            },
          ],
        });
        await refused(400, "POST", `/v1/sessions/${id}/events`, {
          body: { events: [answer(`${use.slice(0, -4)}zzzz`)] },
        });
        await send(id, answer(use));
        await following.until((event) => saidIn([event]).includes("found"));
        const ended = (event: StreamEvent) => isIdle(event) && event.stop_reason.type === "end_turn";
        await following.until(ended);
        const kept = (await list(id)).find(isOf("user.custom_tool_result"));
        assert.deepEqual(kept?.content, answer(use).content);
      },
    ),
    item(
      61,
      "An output of 100,001 characters is a preview and the path of a file",
      async ({ session, turn }) => {
        const { id } = await session();
        const print = (characters: number) => bash(`head -c ${characters} /dev/zero | tr '\\0' x`);
        const resultOf = (events: StreamEvent[]) => resultsIn(events).join("\n");
        assert.equal(resultOf(await turn(id, print(100_000))).replace(/[^x]/g, "").length, 100_000);
        const preview = resultOf(await turn(id, print(100_001)));
        assert.ok(preview.length < 100_000, `the preview has ${preview.length} characters`);
        const [path] = /\/[\w./-]+\w/.exec(preview) ?? [];
        assert.ok(path, "the preview names no path");
        assert.match(resultOf(await turn(id, bash(`tr -cd x <${path} | wc -c`))), /^100001$/m);
      },
    ),
    ...mcpItems,
  ],
};
