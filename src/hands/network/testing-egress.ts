import { createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { limits } from "../../limits.ts";
import { type CarryLine, egressLine, type RefusedLine } from "../../net/egress-wire.ts";

/** Speaks the egress process's part, and lets nothing out. */
export interface FakeEgress {
  /** What was carried, as it was announced. */
  carried: CarryLine[];
  /** Tells all who watch. */
  refuse(line: Omit<RefusedLine, "type">): void;
  close(): Promise<void>;
}

/** `answer` gets each connection, of which it can read what the program sends; default: `answerHead`. */
export async function fakeEgress(
  path: string,
  answer: (socket: Socket, line: CarryLine, begun: Buffer) => void = answerHead,
): Promise<FakeEgress> {
  const carried: CarryLine[] = [];
  const watchers = new Set<Socket>();
  const sockets = new Set<Socket>();
  const tell = (line: Omit<RefusedLine, "type">) => {
    for (const watcher of watchers) watcher.write(`${JSON.stringify({ type: "refused", ...line })}\n`);
  };
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    // Who only looks whether anybody is here says nothing.
    const leave = () => socket.destroy();
    socket.once("end", leave);
    const { text, rest } = await firstLine(socket);
    socket.off("end", leave);
    const line = egressLine.parse(JSON.parse(text));
    if (line.type === "watch") {
      socket.resume();
      watchers.add(socket);
      return;
    }
    carried.push(line);
    const { session_id, sandbox_id, refuse } = line;
    if (refuse !== null) tell({ session_id, sandbox_id, host: "", port: 0, reason: refuse });
    answer(socket, line, rest);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    carried,
    refuse: tell,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Answers the head of a request with what it was: `proxy GET http://... HTTP/1.1`, or with why it is refused. */
export function answerHead(socket: Socket, { as, refuse }: CarryLine, begun: Buffer): void {
  let head = "";
  const hear = (chunk: Buffer) => {
    head += chunk;
    if (!head.includes("\r\n\r\n")) return;
    socket.off("data", hear);
    socket.resume();
    const body = refuse ?? `${as} ${head.slice(0, head.indexOf("\r\n"))}\n`;
    socket.end(
      `HTTP/1.1 ${refuse === null ? "200 OK" : "403 Forbidden"}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  };
  socket.on("data", hear);
  socket.resume();
  hear(begun);
}

/** All that a program sends until its end, and as many bytes back. */
export async function answerLength(socket: Socket, _line: CarryLine, begun: Buffer): Promise<void> {
  const bytes = await buffer(socket);
  socket.end(String(begun.length + bytes.length));
}

function firstLine(socket: Socket): Promise<{ text: string; rest: Buffer }> {
  return new Promise((resolve) => {
    let begun: Buffer = Buffer.alloc(0);
    const hear = (chunk: Buffer) => {
      begun = Buffer.concat([begun, chunk]);
      const end = begun.indexOf(0x0a);
      if (end === -1 && begun.length < limits.egress_line_bytes_max) return;
      socket.off("data", hear);
      socket.pause();
      resolve({ text: begun.toString("utf8", 0, end), rest: begun.subarray(end + 1) });
    };
    socket.on("data", hear);
  });
}
