import { limits } from "../../limits.ts";
import type { McpTool } from "../../protocol/mcp-tools.ts";
import { outcomeUnknown } from "../replay.ts";
import { failed, type ToolResult } from "../tool.ts";
import { attempts } from "./attempts.ts";
import { createChanges } from "./changes.ts";
import { createConnections, type Held, type McpParts, type McpScope } from "./connections.ts";
import { failureOf, type ServerFailure } from "./failures.ts";
import { type LeftOut, usableTools } from "./listing.ts";

/** The tools of agents' MCP servers, which run there: this server speaks with them, and no sandbox does. */
export interface Mcp {
  of(scope: McpScope): McpSession;
  close(): Promise<void>;
}

/** The MCP servers of one session, while it is driven. */
export interface McpSession {
  /** Never rejects. */
  list(server: Server, signal: AbortSignal): Promise<Listing>;
  /** Never rejects: what goes wrong is told to the model. */
  run(call: McpCall, signal: AbortSignal): Promise<McpResult>;
  /** From now on says which servers have other tools than were listed; returns those that became so in the meantime. */
  watch(changed: (server_name: string) => void): string[];
  /** Nobody watches any more. What is not used for a while is closed. */
  rest(): void;
  /** The session is another process's now: ends what goes on. */
  giveUp(): void;
}

interface Server {
  name: string;
  url: string;
}

export interface McpCall {
  server: Server;
  tool: McpTool;
  input: Record<string, unknown>;
  /** How often servers have begun to run the call before. */
  starts: number;
  /** What the session knows of the server's tools. */
  known: readonly McpTool[];
}

export interface McpResult extends ToolResult {
  /** The server could not be reached, or would not have us. */
  failure?: ServerFailure & { url: string };
}

export type Listing =
  | { status: "listed"; tools: McpTool[]; left_out: LeftOut[] }
  | ServerFailure
  | { status: "aborted" };

export function createMcp(parts: McpParts): Mcp {
  const connections = createConnections(parts);
  const changes = createChanges();

  return {
    of(scope) {
      const { session_id } = scope;
      const over = new AbortController();
      const watching = changes.of(session_id);
      const changedAt = (server: Server) => () => changes.note(session_id, server.name);
      const hold = (server: Server) => connections.hold(scope, server, changedAt(server));

      async function listed(server: Server, signal: AbortSignal): Promise<Listing> {
        const held = hold(server);
        try {
          const until = AbortSignal.any([signal, AbortSignal.timeout(limits.mcp_list_ms)]);
          const tools = await (await held.connected(until)).list(until);
          held.listed();
          return { status: "listed", ...held.requests.redactor().within(usableTools(tools)) };
        } catch (error) {
          held.drop();
          if (signal.aborted) return { status: "aborted" };
          // One that has rested may be gone at its other end.
          return held.isOld ? listed(server, signal) : failureOf(error, server, held.requests);
        } finally {
          held.letGo();
        }
      }

      /** What a connection that was made for a call has not heard before it was there. */
      async function compare({ server, known }: McpCall): Promise<void> {
        let held: Held | null = null;
        try {
          held = hold(server);
          const until = AbortSignal.any([over.signal, AbortSignal.timeout(limits.mcp_list_ms)]);
          const offered = await (await held.connected(until)).list(until);
          const { tools } = held.requests.redactor().within(usableTools(offered));
          held.listed();
          if (JSON.stringify(tools) !== JSON.stringify(known)) changes.note(session_id, server.name);
        } catch {
          // Whoever needs the server next is told.
        } finally {
          held?.letGo();
        }
      }

      return {
        async list(server, signal) {
          const settle = changes.asking(session_id, server.name);
          try {
            return await listed(server, signal);
          } catch (error) {
            return {
              status: "unreachable",
              message: `The MCP server "${server.name}" cannot be reached: ${(error as Error).message}.`,
            };
          } finally {
            settle();
          }
        },

        async run(call, signal) {
          const { starts, tool } = call;
          const reason = "the server that ran it ended, or gave the session up";
          if (starts > 0 && !tool.repeatable) return outcomeUnknown({ reason, replays: 0 });
          if (starts > limits.tool_replays_max)
            return outcomeUnknown({ reason, replays: limits.tool_replays_max });
          try {
            const until = AbortSignal.any([over.signal, signal]);
            const result = await attempts(call, { reason, replays: starts }, () => hold(call.server), until);
            if (result.unlisted) compare(call);
            return result.shown;
          } catch (error) {
            // Thrown, it would make the session try again for ever.
            return failed(`The MCP server "${call.server.name}": ${(error as Error).message}`);
          }
        },

        watch: (changed) => watching.begin(changed),
        rest: () => watching.end(),
        giveUp() {
          over.abort();
          // It may be driven again already.
          if (!watching.isOurs()) return;
          watching.end();
          changes.forget(session_id);
          connections.closeSession(session_id);
        },
      };
    },
    close: () => connections.close(),
  };
}
