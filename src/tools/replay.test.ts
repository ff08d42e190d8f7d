import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { createGuard } from "../net/guard.ts";
import { toolset } from "./toolset.ts";
import { createWebTools } from "./web/web.ts";

const web = createWebTools({
  guard: createGuard({ allow_private_hosts: [] }),
  search: { provider: "brave", url: "https://search.example", key: "k" },
  askModel: () => assert.fail("no model is asked"),
});
after(() => web.close());

test("only tools that change nothing are run again when nobody can say how they ended, as the docs have it", () => {
  const tools = [...toolset, ...web.tools].map(({ definition, replay }) => [definition.name, replay]);
  assert.deepEqual(Object.fromEntries(tools), {
    bash: "never",
    read: "safe",
    write: "never",
    edit: "never",
    glob: "safe",
    grep: "safe",
    web_fetch: "safe",
    web_search: "safe",
  });
  const docs = readFileSync(join(import.meta.dirname, "../../docs/DURABILITY.md"), "utf8");
  const rows = [...docs.matchAll(/^\| (`[^|]+`) \| `(safe|never)` \|/gm)];
  const documented = rows.flatMap(([, names = "", policy]) =>
    [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name, policy]),
  );
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(tools));
});

test("a call in the server is run again as often as one in a sandbox, and no more", async () => {
  const use = { config: {}, conversation: { messages: [] } as never, signal: AbortSignal.abort() };
  const fetching = (starts: number) =>
    web.run({ name: "web_fetch", input: { url: "nonsense" }, starts }, use);
  const reason = "the server that ran it ended, or gave the session up";
  assert.equal((await fetching(0)).recovery, undefined);
  assert.deepEqual((await fetching(3)).recovery, { type: "run_again", reason, replays: 3 });
  const given = await fetching(4);
  assert.deepEqual(given.recovery, { type: "outcome_unknown", reason, replays: 3 });
  assert.match(
    JSON.stringify(given.content),
    /outcome of this call is unknown: the server that ran it ended/,
  );
  assert.equal(given.is_error, true);
});
