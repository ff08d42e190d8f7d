import type { Readable } from "node:stream";
import { createPieces } from "./pieces.ts";

/** Splits a stream into lines, each without its newline. A longer line than `bytesMax` is told and ends the reading. */
export function readLines(
  stream: Readable,
  bytesMax: number,
  on: { line(text: string): void; tooLong(): void },
): void {
  const begun = createPieces();
  let over = false;

  stream.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let at = rest.indexOf(0x0a); at !== -1 && !over; at = rest.indexOf(0x0a)) {
      add(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
      const line = begun.take().toString("utf8");
      if (!over) on.line(line);
    }
    if (!over) add(rest);
  });

  function add(part: Buffer): void {
    if (begun.bytes + part.length > bytesMax) {
      over = true;
      begun.take();
      on.tooLong();
    } else {
      begun.add(part);
    }
  }
}
