import type { McpResult } from "../../tools/mcp/mcp.ts";
import { createMcp, type Mcp } from "../../tools/mcp/mcp.ts";
import { CredentialUnusable, type McpBearers } from "../../vault/secrets.ts";
import { type CredentialSource, drivenCredentials } from "../credentials.ts";
import type { Effects } from "../drive.ts";
import { mcpToolNamed } from "../mcp.ts";
import { listMcpTools, runMcpTool } from "../run-mcp-tool.ts";
import type { Asker, McpServers } from "./mcp-servers.ts";
import type { PlannedMcp } from "./plan.ts";

/** A secret of the session that no MCP server is sent by us. */
export const sessionSecret = "a-secret-of-the-session-that-programs-have-sent";

/** What the vault has for the servers, as often as it was renewed. */
const bearerOf = (version: number) => `bearer-${String(version).padStart(3, "0")}-of-the-vault`;
export const isSecretIn = (text: string) =>
  /bearer-\d+-of-the-vault/.test(text) || text.includes(sessionSecret);

/** The vault, which all processes share. */
export function scriptedBearers({ credential }: PlannedMcp): McpBearers {
  let version = 1;
  const bearer = () => ({
    credential_id: "vcrd_1",
    vault_id: "vlt_1",
    token: bearerOf(version),
    secret_version: version,
  });
  return {
    async find() {
      if (credential === "unusable") throw new CredentialUnusable("planned");
      return credential === "none" ? null : bearer();
    },
    async renew(_workspace, _session, refused) {
      if (credential !== "renewed") return null;
      version = Math.max(version, refused.secret_version + 1);
      return bearer();
    },
    note() {},
  };
}

const credentials: CredentialSource = {
  forSandbox: async () => null,
  hidden: async () => [{ secret: sessionSecret }],
};

/** The part of a process that speaks with MCP servers. */
export interface McpProcess {
  of(sessionId: string): {
    listMcp: Effects["listMcp"];
    watchMcp: Effects["watchMcp"];
    run(...asked: Parameters<Effects["runTool"]>): Promise<Pick<McpResult, "content" | "is_error">>;
    /** As a brain does when a drive has ended. */
    rest(): void;
    giveUp(): void;
  };
  close(): Promise<void>;
}

export function mcpProcess(
  servers: Pick<McpServers, "fetch">,
  bearers: McpBearers,
  asker: Asker,
): McpProcess {
  const mcp: Mcp = createMcp({
    guard: { fetch: (url, init) => servers.fetch(url, init, asker) },
    bearers,
    version: "0",
    elicitation: "decline",
  });
  return {
    of(session_id) {
      const session = mcp.of({ workspace_id: "w", session_id });
      const driven = drivenCredentials(credentials, "w", session_id, () => {});
      return {
        listMcp: (server, signal) => listMcpTools(server, { mcp: session, credentials: driven }, signal),
        watchMcp: (changed) => session.watch(changed),
        run: (call, signal, { agent, mcp_servers }) =>
          runMcpTool(
            call,
            {
              known: mcpToolNamed(agent, mcp_servers, call.name),
              mcp_servers,
              mcp: session,
              credentials: driven,
              keep: null,
            },
            signal,
          ),
        rest: () => session.rest(),
        giveUp: () => session.giveUp(),
      };
    },
    close: () => mcp.close(),
  };
}
