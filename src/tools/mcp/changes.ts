import { limits } from "../../limits.ts";

/**
 * Which servers of which sessions have other tools than they have listed.
 * I1. Of a server that has changed its session hears once, until it asks for its tools again: a server may say so without an end.
 * I2. No change is lost that is said while a session is not driven, while its drive ends, or while the tools are asked for.
 */
export interface Changes {
  note(sessionId: string, server: string): void;
  /** The server is being asked for its tools. What is returned is called when they are there. */
  asking(sessionId: string, server: string): () => void;
  of(sessionId: string): Watching;
  forget(sessionId: string): void;
}

/** Whoever drives a session. */
export interface Watching {
  /** From now on calls `changed`; returns which have changed while nobody watched. */
  begin(changed: (server: string) => void): string[];
  end(): void;
  /** Nobody else watches by now. */
  isOurs(): boolean;
}

/** `told`: whoever drives the session was, and may have ended before it was written down. */
type Change = "missed" | "told" | "asking" | "while_asking";

export function createChanges(): Changes {
  const sessions = new Map<string, Map<string, Change>>();
  const watchers = new Map<string, { tell(server: string): void }>();

  const changeOf = (sessionId: string, server: string) => sessions.get(sessionId)?.get(server);

  function set(sessionId: string, server: string, change: Change): void {
    const servers = sessions.get(sessionId) ?? new Map<string, Change>();
    sessions.set(sessionId, servers.set(server, change));
    if (sessions.size > limits.mcp_connections_max) sessions.delete(sessions.keys().next().value ?? "");
  }

  function remove(sessionId: string, server: string): void {
    const servers = sessions.get(sessionId);
    servers?.delete(server);
    if (servers?.size === 0) sessions.delete(sessionId);
  }

  function note(sessionId: string, server: string): void {
    switch (changeOf(sessionId, server)) {
      case "told":
      case "while_asking":
        return;
      case "asking":
        set(sessionId, server, "while_asking");
        return;
      case "missed":
      case undefined: {
        const watcher = watchers.get(sessionId);
        set(sessionId, server, watcher ? "told" : "missed");
        watcher?.tell(server);
      }
    }
  }

  return {
    note,
    asking(sessionId, server) {
      set(sessionId, server, "asking");
      return () => {
        const change = changeOf(sessionId, server);
        if (change === "asking") remove(sessionId, server);
        if (change !== "while_asking") return;
        // Behind the answer, which may be older.
        setImmediate(() => {
          if (changeOf(sessionId, server) !== "while_asking") return;
          remove(sessionId, server);
          note(sessionId, server);
        });
      };
    },
    of(sessionId) {
      const watcher = { tell(_: string) {} };
      const isOurs = () => [watcher, undefined].includes(watchers.get(sessionId));
      return {
        begin(changed) {
          watcher.tell = changed;
          watchers.set(sessionId, watcher);
          const missed: string[] = [];
          for (const [server, change] of sessions.get(sessionId) ?? []) {
            if (change === "told") changed(server);
            if (change === "missed") missed.push(server);
          }
          for (const server of missed) set(sessionId, server, "told");
          return missed;
        },
        end() {
          if (isOurs()) watchers.delete(sessionId);
        },
        isOurs,
      };
    },
    forget: (sessionId) => void sessions.delete(sessionId),
  };
}
