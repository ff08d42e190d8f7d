import assert from "node:assert/strict";
import { saidIn } from "../../harness/session.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

export const sandboxes: Group = {
  title: "Sandboxes",
  items: [
    item(
      68,
      "What a session leaves in its sandbox is there in the next turn, and in no other session",
      async ({ session, turn }) => {
        const [one, other] = [await session(), await session()];
        const reads = [bash("cat kept.txt 2>/dev/null || echo nothing"), next, echoes];
        await turn(one.id, bash("echo kept > kept.txt"));
        assert.match(saidIn(await turn(one.id, ...reads)), /^kept\s*$/);
        assert.match(saidIn(await turn(other.id, ...reads)), /^nothing\s*$/);
      },
    ),
  ],
};
