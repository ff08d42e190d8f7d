import { closeSync, mkdirSync, openSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { limits } from "../limits.ts";
import { tryLock } from "../net/file-lock.ts";
import { readLines } from "../net/lines.ts";
import { type LocalListener, listenLocally, SocketTaken } from "../net/local-socket.ts";
import { vaultLock, vaultPlaces } from "../net/vault-places.ts";
import {
  type SessionSecrets,
  type Used,
  type VaultAnswer,
  type VaultRequest,
  vaultRequest,
} from "../net/vault-wire.ts";

/** What egress is told, and what it tells. Both may reject: then it is told that it failed, and asks again. */
export interface VaultAnswers {
  /** Null where the pass is not that of the session, or the session has ended. */
  resolve(asked: { session_id: string; pass: string }): Promise<SessionSecrets | null>;
  /** What is told of a session that the pass is not for is to be left out. */
  note(used: Used): Promise<void>;
}

export interface VaultListener {
  /** What is asked before waits. */
  answer(answers: VaultAnswers): void;
  /** Ends all connections. Resolves once what was told is written down. */
  close(): Promise<void>;
}

export interface VaultSocket {
  /** The first of the places where serves of this machine listen. */
  socket_path: string;
  /** Who may connect, besides root: the user of `drover egress`. */
  owner?: { uid: number; gid: number };
  onTrouble?(error: unknown): void;
}

/**
 * Serve's side of `vault-wire.ts`. It can listen before there is anything to answer, since only root can give the socket to
 * another user. A connection that says what egress would not say is ended.
 */
export async function listenForEgress({
  socket_path,
  owner,
  onTrouble = () => {},
}: VaultSocket): Promise<VaultListener> {
  const { promise: answers, resolve: answer } = Promise.withResolvers<VaultAnswers>();
  const open = new Set<Socket>();
  const busy = new Set<Promise<void>>();

  async function answerTo(request: VaultRequest): Promise<VaultAnswer> {
    const { n, session_id, pass } = request;
    try {
      const { resolve, note } = await answers;
      if (request.type === "resolve")
        return { n, type: "resolved", secrets: await resolve({ session_id, pass }) };
      await note({ session_id, pass, tell: request.tell, uses: request.uses });
      return { n, type: "noted" };
    } catch (error) {
      onTrouble(error);
      return { n, type: "failed" };
    }
  }

  function onConnection(socket: Socket): void {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    /** Those that have no answer yet. With as many as there may be, or answers that nobody reads, nothing more is read. */
    let waiting = 0;
    async function serve(request: VaultRequest): Promise<void> {
      waiting += 1;
      pace();
      const said = await answerTo(request);
      waiting -= 1;
      if (!socket.destroyed) socket.write(`${JSON.stringify(said)}\n`);
      pace();
    }
    function pace(): void {
      if (waiting < limits.vault_requests_at_once_max && !socket.writableNeedDrain) socket.resume();
      else socket.pause();
    }
    socket.on("drain", pace);
    readLines(socket, limits.vault_request_bytes_max, {
      line(text) {
        const request = parse(text);
        if (request === null) return void socket.destroy();
        const served = serve(request).finally(() => busy.delete(served));
        busy.add(served);
      },
      tooLong: () => socket.destroy(),
    });
  }

  const server = await listenAtFreePlace({ socket_path, owner }, onConnection);
  server.maxConnections = limits.vault_connections_max;
  server.on("error", onTrouble);
  return {
    answer,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      // Without answers there is nobody who could have begun anything.
      answer({ resolve: gone, note: gone });
      await Promise.all([closed, ...busy]);
    },
  };
}

/** One at a time looks for a place and takes it: what nobody listens at could be somebody's in the next moment. */
async function listenAtFreePlace(
  { socket_path, owner }: LocalListener,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  mkdirSync(dirname(socket_path), { recursive: true });
  const fd = openSync(vaultLock(socket_path), "a", 0o600);
  try {
    const until = performance.now() + limits.vault_lock_ms;
    while (!tryLock(fd)) {
      if (performance.now() > until)
        throw new Error(`another process holds ${vaultLock(socket_path)}; end it (see: fuser)`);
      await pause(limits.vault_retry_ms);
    }
    for (const place of vaultPlaces(socket_path)) {
      try {
        return await listenLocally({ socket_path: place, owner }, onConnection);
      } catch (error) {
        if (!(error instanceof SocketTaken)) throw error;
      }
    }
    throw new SocketTaken(`${limits.vault_listeners_max} other processes already serve ${socket_path}`);
  } finally {
    closeSync(fd);
  }
}

const gone = () => Promise.reject(new Error("this server has ended"));

function parse(text: string): VaultRequest | null {
  try {
    return vaultRequest.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
