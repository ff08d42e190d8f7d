import { createGuard } from "../../src/net/guard.ts";
import type { McpTool } from "../../src/protocol/mcp-tools.ts";
import { createMcp } from "../../src/tools/mcp/mcp.ts";

/**
 * The client part of a conformance run: `client.ts <url>` does with the server there what a session does, by the module that
 * brains use: lists its tools, and calls each once. It has no credential, and nobody to ask.
 */
const [, , address = ""] = process.argv;
const server = { name: "conformance", url: address };
const guard = createGuard({ allow_private_hosts: ["localhost", "127.0.0.1", "::1"] });
const mcp = createMcp({
  guard,
  bearers: { find: async () => null, renew: async () => null, note() {} },
  version: "0",
  elicitation: "defaults",
});
const session = mcp.of({ workspace_id: "wrkspc_1", session_id: "sesn_1" });
const signal = AbortSignal.timeout(25_000);

const listing = await session.list(server, signal);
if (listing.status !== "listed") {
  process.stderr.write(`${JSON.stringify(listing)}\n`);
  process.exitCode = 1;
} else {
  for (const tool of listing.tools) {
    const call = { server, tool, input: inputFor(tool), starts: 0, known: listing.tools };
    const result = await session.run(call, signal);
    process.stdout.write(`${tool.name}: ${JSON.stringify(result)}\n`);
  }
}
await mcp.close();
await guard.close();

/** A number for each number, and a word for each text. */
function inputFor({ input_schema }: McpTool): Record<string, unknown> {
  const properties = (input_schema.properties ?? {}) as Record<string, { type?: string }>;
  return Object.fromEntries(
    Object.entries(properties).map(([name, { type }], i) => [name, type === "number" ? i + 2 : "word"]),
  );
}
