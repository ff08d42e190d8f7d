import type { Elicitation } from "../../config/mcp.ts";
import { limits } from "../../limits.ts";
import type { Guard } from "../../net/guard.ts";
import type { McpBearers } from "../../vault/secrets.ts";
import { aborted, type Connection, connect, type Library } from "./connection.ts";
import { createRequests, type Requests } from "./requests.ts";

/** The session whose connections they are. */
export interface McpScope {
  workspace_id: string;
  session_id: string;
}

export interface McpParts {
  guard: Pick<Guard, "fetch">;
  bearers: McpBearers;
  /** Of this server. */
  version: string;
  elicitation: Elicitation;
  /** In place of the limits of these names. */
  list_ms?: number;
  call_ms?: number;
  idle_ms?: number;
  connections_max?: number;
  connections_per_workspace_max?: number;
}

/**
 * The connections of one process to MCP servers: one for each session and server, made when it is needed. One that nobody uses
 * for a while is closed, so that a session that rests holds none.
 */
export interface Connections {
  hold(scope: McpScope, server: { name: string; url: string }, onChanged: () => void): Held;
  /** Ends those of a session, whoever uses them. */
  closeSession(sessionId: string): void;
  close(): Promise<void>;
}

/** Somebody's hold on a connection. */
export interface Held {
  requests: Requests;
  /** It was there before. */
  isOld: boolean;
  /** Nobody has asked for the server's tools on it: what it says of changes begins when it does. */
  unlisted: boolean;
  /** Rejects with why it could not be made, or when the signal says so. */
  connected(signal: AbortSignal): Promise<Connection>;
  listed(): void;
  /** Nobody is to get it any more. It ends when those who have it let go. */
  drop(): void;
  letGo(): void;
}

interface Kept {
  workspace_id: string;
  session_id: string;
  requests: Requests;
  connection: Promise<Connection>;
  gone: () => boolean;
  users: number;
  used_at: number;
  unlisted: boolean;
  dropped: boolean;
  stop: AbortController;
}

/** Large, and of no use without MCP servers. */
export const loadLibrary = () => import("@modelcontextprotocol/client");

export function createConnections({
  guard,
  bearers,
  version,
  elicitation,
  list_ms = limits.mcp_list_ms,
  call_ms = limits.mcp_call_ms,
  idle_ms = limits.mcp_idle_ms,
  connections_max = limits.mcp_connections_max,
  connections_per_workspace_max = limits.mcp_connections_per_workspace_max,
}: McpParts): Connections {
  const kept = new Map<string, Kept>();
  const closing = new Set<Promise<unknown>>();
  let library: Promise<Library> | null = null;
  let sweeper: NodeJS.Timeout | null = null;

  function begin({ workspace_id, session_id }: McpScope, address: string, onChanged: () => void): Kept {
    const url = new URL(address);
    const requests = createRequests({ guard, bearers, workspace_id, session_id, url });
    const stop = new AbortController();
    const until = AbortSignal.any([stop.signal, AbortSignal.timeout(list_ms)]);
    const made = (async () => {
      library ??= loadLibrary();
      return connect(
        { library: await library, requests, url, version, call_ms, elicitation, onChanged },
        until,
      );
    })();
    let found: Connection | null = null;
    let isBroken = false;
    made.then(
      (connection) => {
        found = connection;
      },
      () => {
        isBroken = true;
      },
    );
    return {
      workspace_id,
      session_id,
      requests,
      connection: made,
      gone: () => isBroken || (found?.isGone() ?? false),
      users: 0,
      used_at: Date.now(),
      unlisted: true,
      dropped: false,
      stop,
    };
  }

  function end(key: string, item: Kept): void {
    if (kept.get(key) === item) kept.delete(key);
    item.stop.abort();
    const closed = item.connection
      .then((connection) => connection.close())
      .catch(() => {})
      .finally(() => closing.delete(closed));
    closing.add(closed);
    if (kept.size === 0 && sweeper) {
      clearInterval(sweeper);
      sweeper = null;
    }
  }

  function sweep(): void {
    const before = Date.now() - idle_ms;
    for (const [key, item] of kept)
      if (item.users === 0 && (item.used_at <= before || item.gone())) end(key, item);
  }

  function makeRoom(workspaceId: string): void {
    const own = [...kept].filter(([, { workspace_id }]) => workspace_id === workspaceId);
    const isOver = own.length >= connections_per_workspace_max;
    if (!isOver && kept.size < connections_max) return;
    const unused = (isOver ? own : [...kept]).filter(([, { users }]) => users === 0);
    const oldest = unused.sort(([, a], [, b]) => a.used_at - b.used_at)[0];
    if (!oldest)
      throw new Error("this server has as many connections to MCP servers as it may; try again later");
    end(...oldest);
  }

  function find(scope: McpScope, { name, url }: { name: string; url: string }, onChanged: () => void) {
    const key = JSON.stringify([scope.session_id, name, url]);
    const found = kept.get(key);
    if (found && !found.gone()) return { key, item: found, isOld: true };
    if (found) end(key, found);
    makeRoom(scope.workspace_id);
    const item = begin(scope, url, onChanged);
    kept.set(key, item);
    sweeper ??= setInterval(sweep, idle_ms / 4).unref();
    return { key, item, isOld: false };
  }

  return {
    hold(scope, server, onChanged) {
      const { key, item, isOld } = find(scope, server, onChanged);
      item.users += 1;
      let has = true;
      return {
        requests: item.requests,
        isOld,
        unlisted: item.unlisted,
        connected: (signal) => Promise.race([item.connection, aborted(signal)]),
        listed() {
          item.unlisted = false;
        },
        drop() {
          item.dropped = true;
          if (kept.get(key) === item) kept.delete(key);
        },
        letGo() {
          if (!has) return;
          has = false;
          item.users -= 1;
          item.used_at = Date.now();
          if (item.users === 0 && item.dropped) end(key, item);
        },
      };
    },
    closeSession(sessionId) {
      for (const [key, item] of kept) if (item.session_id === sessionId) end(key, item);
    },
    async close() {
      for (const [key, item] of kept) end(key, item);
      await Promise.all(closing);
    },
  };
}
