import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { limits } from "../limits.ts";
import { createPieces } from "../net/pieces.ts";

/**
 * The body of a message, of which a parser makes a piece for each chunk, in as few pieces as it is read. To be asked for before
 * any of it has come. Where nobody reads it, `limits.egress_body_held_bytes_max` of it are held and what one more read brings;
 * then its connection is not read from. Whoever has no use for it resumes it.
 */
export function joined(message: IncomingMessage): Readable {
  const { socket } = message;
  const held = createPieces();
  let isWanted = false;
  let isSoon = false;
  let isWhole = false;
  let stands = false;

  function give(): void {
    isSoon = false;
    if (body.destroyed) return;
    if (isWanted && held.bytes > 0) {
      isWanted = false;
      goOn();
      body.push(held.take());
    }
    if (isWhole && held.bytes === 0) body.push(null);
  }
  /** When all that was read at once is there: a parser tells of each piece by itself. */
  function giveSoon(): void {
    if (!isSoon) setImmediate(give);
    isSoon = true;
  }
  function goOn(): void {
    if (stands) socket.resume();
    stands = false;
  }
  // By this a message goes on whenever it has given a piece away.
  const readOn = message._read;
  message._read = (size) => {
    if (!stands) readOn.call(message, size);
  };

  const body = new Readable({
    // So that what is wanted is what is read.
    highWaterMark: 1,
    read() {
      isWanted = true;
      if (held.bytes > 0) process.nextTick(give);
    },
    destroy(error, done) {
      held.take();
      goOn();
      done(error);
    },
  });
  body.on("error", () => {});
  message.on("data", (piece: Buffer) => {
    if (body.destroyed) return;
    held.add(piece);
    giveSoon();
    if (held.bytes < limits.egress_body_held_bytes_max) return;
    stands = true;
    socket.pause();
  });
  message.on("end", () => {
    isWhole = true;
    // Behind it may be another one.
    goOn();
    // Whoever hears of all of it at once may answer at once.
    process.nextTick(give);
  });
  message.on("error", (error) => body.destroy(error));
  message.on("close", () => {
    if (!message.readableEnded) body.destroy();
  });
  return body;
}
