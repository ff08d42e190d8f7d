import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type FakeMcp, startFakeMcp } from "./fakes/mcp.ts";
import { calling, errorsIn, mcpResults, mcpTexts, mcpUses, methodsAt, sessionWith } from "./harness/mcp.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { prepare, saidIn, turn } from "./harness/session.ts";

let api: TestServer;
let environment_id: string;
const fakes: FakeMcp[] = [];
const fake = async (...args: Parameters<typeof startFakeMcp>) => {
  const started = await startFakeMcp(...args);
  fakes.push(started);
  return started;
};

before(async () => {
  api = await startTestServer({ allow_private_hosts: ["127.0.0.1"] });
  ({ environment_id } = await prepare(api.client));
});
after(async () => {
  await api.close();
  for (const each of fakes) await each.close();
});

const echo = {
  name: "echo",
  description: "Says it again",
  inputSchema: { type: "object", properties: { text: { type: "string" } } },
  run: ({ text }: Record<string, unknown>) => `it said ${text}`,
};

describe("the tools of an MCP server", () => {
  for (const options of [{}, { answers: "json" }, { transport: "sse" }] as const)
    test(`are called, ${JSON.stringify(options)}`, async () => {
      const server = await fake([echo], options);
      const { id } = await sessionWith(api.client, environment_id, [{ server: "one", url: server.url }]);
      const events = await turn(api.client, id, `${calling("one", "echo", { text: "hello" })}\nthen\necho`);
      assert.deepEqual(errorsIn(events), []);
      const [use] = mcpUses(events);
      assert.equal(use?.mcp_server_name, "one");
      assert.equal(use?.name, "echo");
      assert.deepEqual(use?.input, { text: "hello" });
      assert.equal(use?.evaluated_permission, "allow");
      assert.deepEqual(use?.evaluation, { type: "always_allow" });
      const [result] = mcpResults(events);
      assert.equal(result?.mcp_tool_use_id, use?.id);
      assert.equal(result?.is_error, false);
      assert.deepEqual(mcpTexts(events), ["it said hello"]);
      assert.equal(saidIn(events), "it said hello");
      await turn(api.client, id, calling("one", "echo", { text: "again" }));
      assert.equal(
        methodsAt(server).filter((method) => method === "initialize").length,
        options.transport === "sse" ? 2 : 1,
      );
      assert.equal(methodsAt(server).filter((method) => method === "tools/list").length, 1);
    });
});
