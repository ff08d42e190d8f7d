import type { McpSession } from "../tools/mcp/mcp.ts";
import { bounded } from "../tools/preview.ts";
import { failed, type ToolResult } from "../tools/tool.ts";
import type { keepOutput } from "../tools/toolset.ts";
import { CredentialsUnusable, type DrivenCredentials, redacted } from "./credentials.ts";
import type { KnownMcpTool, McpListed, McpServerState } from "./mcp.ts";
import type { Outcome } from "./outcome.ts";
import type { McpServer } from "./session.ts";
import type { Call } from "./state.ts";

type Finished = Extract<Outcome, { type: "tool_finished" }>;

/** Has an MCP server run a call. A result that is too long to be shown is kept in the sandbox, where there is one. */
export async function runMcpTool(
  call: Call,
  {
    known,
    mcp_servers,
    mcp,
    credentials,
    keep,
  }: {
    known: KnownMcpTool | undefined;
    mcp_servers: readonly McpServerState[];
    mcp: Pick<McpSession, "run">;
    /** Null where the session has none. */
    credentials: Pick<DrivenCredentials, "redactor"> | null;
    keep: ((text: string) => ReturnType<typeof keepOutput>) | null;
  },
  signal: AbortSignal,
): Promise<ToolResult & Pick<Finished, "failure" | "uses_sandbox">> {
  if (!known) return failed(`The tool "${call.name}" is not offered any more.`);
  const { server, tool } = known;
  const tools = mcp_servers.find(({ name }) => name === server.name)?.tools ?? [];
  const answer = await mcp.run(
    { server, tool, input: call.input, starts: call.starts, known: tools },
    signal,
  );
  const result = { ...answer, ...(await hidden(answer, credentials)) };
  const told: Pick<Finished, "restored" | "network" | "uses_sandbox"> = {};
  const shown = await bounded(result, async (text) => {
    if (!keep) return null;
    const { kept, ...rest } = await keep(text);
    Object.assign(told, rest, { uses_sandbox: true });
    return kept;
  });
  return { ...result, ...shown, ...told };
}

/** Asks an MCP server for its tools. What it says of them is searched as a result is. */
export async function listMcpTools(
  server: McpServer,
  {
    mcp,
    credentials,
  }: { mcp: Pick<McpSession, "list">; credentials: Pick<DrivenCredentials, "redactor"> | null },
  signal: AbortSignal,
): Promise<McpListed> {
  const listed = await mcp.list(server, signal);
  if (!credentials || listed.status === "aborted") return listed;
  try {
    return (await credentials.redactor()).within(listed);
  } catch (error) {
    if (!(error instanceof CredentialsUnusable)) throw error;
    const message = `The tools of the MCP server "${server.name}" cannot be shown: ${error.message}.`;
    return { status: "unreachable", message };
  }
}

/** What cannot be looked for in it is not shown either. */
async function hidden(
  result: ToolResult,
  credentials: Pick<DrivenCredentials, "redactor"> | null,
): Promise<ToolResult> {
  if (!credentials) return result;
  try {
    return redacted(result, await credentials.redactor());
  } catch (error) {
    if (!(error instanceof CredentialsUnusable)) throw error;
    return failed(`The call was made, and its result cannot be shown: ${error.message}.`);
  }
}
