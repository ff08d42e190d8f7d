import assert from "node:assert/strict";
import { type FakeMcp, type FakeTool, startFakeMcp } from "../../fakes/mcp.ts";
import { freePort } from "../../harness/free-port.ts";
import { calling, errorsIn, mcpTexts, mcpUses } from "../../harness/mcp.ts";
import { isIdle, resultsIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { bash } from "../script.ts";
import { item } from "../suite.ts";
import { toolset } from "../tools.ts";

const look: FakeTool = { name: "look", run: () => "it is there" };

/** An agent with this MCP server, whose calls nobody is asked about, and the built-in tools. */
const agentAt = ({ agent }: Context, url: string) =>
  agent({
    mcp_servers: [{ type: "url", name: "fake", url }],
    tools: [
      toolset,
      {
        type: "mcp_toolset",
        mcp_server_name: "fake",
        default_config: { permission_policy: { type: "always_allow" } },
      },
    ],
  });

async function withServer(
  options: { port?: number },
  check: (fake: FakeMcp) => Promise<void>,
): Promise<void> {
  const fake = await startFakeMcp([look], options);
  try {
    await check(fake);
  } finally {
    await fake.close();
  }
}

export const mcpItems = [
  item(
    62,
    "A session starts without an MCP server that is down, says so and tries again",
    async (context) => {
      const { session, turn } = context;
      const port = await freePort();
      const { id: agent } = await agentAt(context, `http://127.0.0.1:${port}/mcp`);
      const { id } = await session({ agent });
      const events = await turn(id, bash("echo still here"));
      const [error] = errorsIn(events);
      assert.ok(error?.type === "mcp_connection_failed_error", JSON.stringify(error));
      assert.equal(error.mcp_server_name, "fake");
      assert.ok(resultsIn(events).join().includes("still here"));
      assert.equal(events.findLast(isIdle)?.stop_reason.type, "end_turn");
      await withServer({ port }, async () => {
        const later = await turn(id, calling("fake", "look"));
        assert.deepEqual(errorsIn(later), []);
        assert.deepEqual(
          mcpUses(later).map(({ name, mcp_server_name }) => [mcp_server_name, name]),
          [["fake", "look"]],
        );
        assert.deepEqual(mcpTexts(later), ["it is there"]);
      });
    },
  ),
  item(63, "The URL of an MCP server finds its credential, which no sandbox sees", async (context) => {
    const { client, session, turn } = context;
    await withServer({}, async (fake) => {
      const bearer = (n: number) => `token-${n}-for-the-fake-MCP-server`;
      const vault = async (mcp_server_url: string, token: string) => {
        const { id } = await client.beta.vaults.create({ display_name: "for a server" });
        const auth = { type: "static_bearer", mcp_server_url, token } as const;
        await client.beta.vaults.credentials.create(id, { auth });
        return id;
      };
      const spelt = `HTTP://127.0.0.1:${fake.port}/mcp/`;
      const vaults = [
        await vault(`http://127.0.0.1:${fake.port}/other`, bearer(1)),
        await vault(spelt, bearer(2)),
        await vault(fake.url, bearer(3)),
      ];
      try {
        fake.token = bearer(2);
        const { id: agent } = await agentAt(context, fake.url);
        const { id } = await session({ agent, vault_ids: vaults });
        const events = await turn(
          id,
          calling("fake", "look"),
          bash("env; cat /proc/*/environ /workspace/* /mnt/session/* 2>/dev/null | tr '\\0' '\\n'; echo end"),
        );
        assert.deepEqual(mcpTexts(events), ["it is there"]);
        assert.ok(resultsIn(events).join().includes("end"));
        assert.ok(!JSON.stringify(events).includes("for-the-fake-MCP-server"));
        assert.ok(fake.reached.length > 0, "the server was never asked");
        for (const { authorization } of fake.reached) assert.equal(authorization, `Bearer ${bearer(2)}`);
      } finally {
        for (const id of vaults) await client.beta.vaults.delete(id);
      }
    });
  }),
];
