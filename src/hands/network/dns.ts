import type { Socket } from "node:net";
import { limits } from "../../limits.ts";
import { namesAddress } from "./inside.ts";

/**
 * Answers a question for a name's address with the one address that stands for every name, and any other question with
 * nothing. It asks nobody: names of a sandbox's choosing carry nothing out of it. Null: it is no question.
 */
export function answerName(message: Buffer): Buffer | null {
  const question = readQuestion(message);
  if (!question) return null;
  const isAddress = question.type === types.a && question.class === internet;
  const header = Buffer.alloc(headerBytes);
  message.copy(header, 0, 0, 2);
  // An answer, with recursion where it was wanted, which is available; no error.
  header.writeUInt16BE(0x8080 | (message.readUInt16BE(2) & 0x0100), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isAddress ? 1 : 0, 6);
  return Buffer.concat([header, question.bytes, ...(isAddress ? [addressRecord(question.name)] : [])]);
}

/** The same over TCP: one question, and its answer. */
export function answerNames(socket: Socket): void {
  let asked: Buffer = Buffer.alloc(0);
  socket.setTimeout(limits.network_name_ms_max, () => socket.destroy());
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    asked = Buffer.concat([asked, chunk]);
    if (asked.length < 2 || asked.length < 2 + asked.readUInt16BE(0)) return;
    const answer = answerName(asked.subarray(2, 2 + asked.readUInt16BE(0)));
    if (!answer) return void socket.destroy();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(answer.length);
    socket.write(Buffer.concat([length, answer]));
    socket.destroySoon();
  });
}

const headerBytes = 12;
const types = { a: 1 };
const internet = 1;
const nameBytesMax = 255;
const ttlSeconds = 60;

interface Question {
  name: string;
  type: number;
  class: number;
  bytes: Buffer;
}

/** Of a plain query with one question; nothing in it may point elsewhere, which no question needs. */
function readQuestion(message: Buffer): Question | null {
  if (message.length < headerBytes || (message.readUInt16BE(2) & 0xf800) !== 0) return null;
  if (message.readUInt16BE(4) !== 1) return null;
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return null;
    at += 1;
    if (length === 0) break;
    labels.push(message.toString("latin1", at, at + length));
    at += length;
    if (at - headerBytes > nameBytesMax) return null;
  }
  if (at + 4 > message.length) return null;
  const bytes = message.subarray(headerBytes, at + 4);
  return {
    name: labels.join(".").toLowerCase(),
    type: message.readUInt16BE(at),
    class: message.readUInt16BE(at + 2),
    bytes,
  };
}

/** Names the question by a pointer to it. */
function addressRecord(name: string): Buffer {
  const isLocal = name === "localhost" || name.endsWith(".localhost");
  const address = isLocal ? "127.0.0.1" : namesAddress;
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | headerBytes, 0);
  record.writeUInt16BE(types.a, 2);
  record.writeUInt16BE(internet, 4);
  record.writeUInt32BE(ttlSeconds, 6);
  record.writeUInt16BE(4, 10);
  for (const [n, part] of address.split(".").entries()) record.writeUInt8(Number(part), 12 + n);
  return record;
}
