import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type FakeMcp, startFakeMcp } from "./fakes/mcp.ts";
import { freePort } from "./harness/free-port.ts";
import { calling, mcpResults, mcpTexts, mcpUses, sessionWith } from "./harness/mcp.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import { isIdle, type ListedEvent, listed, message, prepare, send } from "./harness/session.ts";

let processes: Processes;
let server: FakeMcp;
let serve: Serve;
let environment_id: string;
let begun = Promise.withResolvers<void>();
let hangs = true;

before(async () => {
  const run = async () => {
    if (!hangs) return "this time";
    begun.resolve();
    await new Promise(() => {});
  };
  server = await startFakeMcp([
    { name: "reads", annotations: { readOnlyHint: true }, run },
    { name: "writes", run },
  ]);
  processes = await startProcesses({ settings: { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" } });
  await processes.hands();
  serve = await processes.serve(await freePort());
  ({ environment_id } = await prepare(serve.client));
});
after(async () => {
  await server.close();
  await processes.close();
});

/** All events, once the session rests. */
async function settled(id: string): Promise<ListedEvent[]> {
  for (;;) {
    const events = await listed(serve.client, id).catch(() => []);
    if (events.some((event) => isIdle(event as never))) return events;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("a server killed in the middle of an MCP call", () => {
  for (const [name, runs] of [
    ["reads", 2],
    ["writes", 1],
  ] as const)
    test(`leaves the call to the next one: ${name}`, async () => {
      begun = Promise.withResolvers();
      hangs = true;
      const toolsets = [{ server: "one", url: server.url }];
      const { id } = await sessionWith(serve.client, environment_id, toolsets);
      await send(serve.client, id, message(calling("one", name)));
      await begun.promise;
      await serve.kill();
      hangs = false;
      serve = await processes.serve(await freePort());
      const events = await settled(id);
      assert.equal(mcpUses(events).length, 1);
      assert.equal(mcpResults(events).length, 1);
      assert.equal(server.calls(name), runs);
      const { recovery } = mcpResults(events)[0] as { recovery?: { type: string } };
      if (runs === 2) {
        assert.deepEqual(mcpTexts(events), ["this time"]);
        assert.equal(recovery?.type, "run_again");
      } else {
        assert.match(mcpTexts(events)[0] ?? "", /^The outcome of this call is unknown/);
        assert.equal(recovery?.type, "outcome_unknown");
      }
      // Its tools stand in the log: the next server has not asked for them.
      assert.equal(events.filter(({ type }) => type === "session.error").length, 0);
    });
});
