import { chmodSync, chownSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";

/** The kernel takes 108, the NUL at the end included. */
const socketPathBytesMax = 107;

/** Another process listens there. */
export class SocketTaken extends Error {
  override readonly name = "SocketTaken";
}

export interface LocalListener {
  socket_path: string;
  /** Who may connect, besides root: the user of this process if unset. */
  owner?: { uid: number; gid: number };
  /** Whether a connection stays open for what is still to be said when the other side has ended. */
  half_open?: boolean;
}

/** A unix socket for one user, besides root. */
export async function listenLocally(
  { socket_path, owner, half_open = false }: LocalListener,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  if (Buffer.byteLength(socket_path) > socketPathBytesMax) {
    throw new Error(
      `the socket path ${socket_path} is longer than ${socketPathBytesMax} bytes; choose a shorter folder`,
    );
  }
  mkdirSync(dirname(socket_path), { recursive: true });
  if (existsSync(socket_path)) {
    if (await answers(socket_path)) throw new SocketTaken(`another process already serves ${socket_path}`);
    unlinkSync(socket_path);
  }
  const server = createServer({ allowHalfOpen: half_open }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // Nobody may connect between its making, which is in this call, and the change of its owner. Others make files too.
    const umask = process.umask(0o177);
    server.listen(socket_path, resolve);
    process.umask(umask);
  });
  chmodSync(socket_path, 0o600);
  if (owner) chownSync(socket_path, owner.uid, owner.gid);
  return server;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // One with more waiting than it has room for is there all the same.
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "EAGAIN"));
  });
}
