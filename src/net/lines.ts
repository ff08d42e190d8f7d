import type { Readable } from "node:stream";

/** Splits a stream into lines, each without its newline. A longer line than `bytesMax` is told and ends the reading. */
export function readLines(
  stream: Readable,
  bytesMax: number,
  on: { line(text: string): void; tooLong(): void },
): void {
  let begun: Buffer[] = [];
  let bytes = 0;
  let over = false;

  stream.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let at = rest.indexOf(0x0a); at !== -1 && !over; at = rest.indexOf(0x0a)) {
      add(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
      const line = Buffer.concat(begun).toString("utf8");
      begun = [];
      bytes = 0;
      if (!over) on.line(line);
    }
    if (!over) add(rest);
  });

  function add(part: Buffer): void {
    bytes += part.length;
    if (bytes > bytesMax) {
      over = true;
      begun = [];
      on.tooLong();
    } else {
      begun.push(part);
    }
  }
}
