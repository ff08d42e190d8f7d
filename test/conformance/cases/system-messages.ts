import assert from "node:assert/strict";
import { isIdle, isOf, message, saidIn } from "../../harness/session.ts";
import { calls, echoes, next, says } from "../script.ts";
import { type Group, item } from "../suite.ts";
import { lookup } from "../tools.ts";

const system = (text: string) => ({
  type: "system.message" as const,
  content: [{ type: "text" as const, text }],
});

export const systemMessages: Group = {
  title: "System messages",
  items: [
    item(
      64,
      "A system message is the last event, one of its kind, right after a message or a result; while calls wait only after a result; older models take none",
      async ({ agent, session, follow, send, refused }) => {
        const { id } = await session({ agent: (await agent({ tools: [lookup] })).id });
        const hello = message(says("hello"));
        const refusing = (...events: object[]) =>
          refused(400, "POST", `/v1/sessions/${id}/events`, { body: { events } });
        await refusing(system("alone"));
        await refusing(system("first"), hello);
        await refusing(hello, system("one"), system("two"));
        await refusing(hello, system("in between"), hello);
        await refusing({ type: "user.interrupt" }, system("after an interrupt"));

        const following = await follow(id);
        await send(id, message(echoes), system("Speak up."));
        assert.match(saidIn(await following.until(isIdle)), /Speak up\./);
        await send(id, message([calls("lookup"), next, echoes].join("\n")));
        const asked = await following.until(isIdle, 2);
        const use = asked.find(isOf("agent.custom_tool_use"))?.id ?? "";
        await refusing(hello, system("while calls wait"));
        const answer = { type: "user.custom_tool_result" as const, custom_tool_use_id: use };
        await send(id, answer, system("Whisper."));
        assert.match(saidIn(await following.until(isIdle, 3)), /Whisper\./);

        const old = await session({ agent: (await agent({ model: "claude-haiku-4-5" })).id });
        await refused(400, "POST", `/v1/sessions/${old.id}/events`, {
          body: { events: [hello, system("to an older model")] },
        });
      },
    ),
  ],
};
