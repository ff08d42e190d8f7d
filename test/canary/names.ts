import { createSocket } from "node:dgram";
import { once } from "node:events";

/** A name server on loopback that has an address for every name. */
export interface Names {
  /** What was asked for, in the letters in which it was asked. */
  asked: string[];
  close(): void;
}

const typeA = 1;

/** `addressOf` is asked for names in small letters. */
export async function startNames(
  address: string,
  addressOf: (name: string) => string | null,
): Promise<Names> {
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const { name, end } = questionOf(query);
    asked.push(name);
    const found = query.readUInt16BE(end) === typeA ? addressOf(name.toLowerCase()) : null;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(found === null ? 0 : 1, 6);
    head.fill(0, 8, 12);
    const record = Buffer.from([
      0xc0,
      12,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      4,
      ...(found ?? "").split(".").map(Number),
    ]);
    const answer = [head, query.subarray(12, end + 4), ...(found === null ? [] : [record])];
    socket.send(Buffer.concat(answer), from.port, from.address);
  });
  socket.bind(53, address);
  await once(socket, "listening");
  return { asked, close: () => socket.close() };
}

function questionOf(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}
