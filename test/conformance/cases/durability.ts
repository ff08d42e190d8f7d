import assert from "node:assert/strict";
import { isOf, saidIn } from "../../harness/session.ts";
import { bash, echoes, next, says } from "../script.ts";
import { type Group, item, notYet } from "../suite.ts";

export const durability: Group = {
  title: "Durability",
  items: [
    notYet(
      99,
      "A server killed at any point of a turn goes on after a restart, and no event is lost, repeated or moved",
      "a client cannot kill a server; `test/crash.test.ts` does that to Drover",
    ),
    item(
      100,
      "What runs in a sandbox dies while a tool runs: the call ends with an error, and the session goes on in a sandbox that works",
      async ({ session, turn }) => {
        const { id } = await session();
        // A kill spares who calls it, so a process of its own ends all others.
        const kill = "echo begun; bash -c 'kill -9 -1'; sleep 600";
        const events = await turn(id, bash(kill), next, says("so be it"));
        assert.equal(events.find(isOf("agent.tool_result"))?.is_error, true);
        assert.equal(saidIn(events), "so be it");
        assert.match(saidIn(await turn(id, bash("echo alive"), next, echoes)), /^alive\b/);
      },
      { except: "a sandbox that is killed from outside; `test/crash.test.ts` does that to Drover" },
    ),
  ],
};
