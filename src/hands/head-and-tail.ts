/** The first and the last half of a stream, in constant memory. */
export interface HeadAndTail {
  write(chunk: Buffer): void;
  /** What was kept, and how many `bytes` are missing in its middle. */
  kept(): { bytes: Buffer; omitted_bytes: number };
}

export function keepHeadAndTail(bytesMax: number): HeadAndTail {
  const headMax = Math.floor(bytesMax / 2);
  const tailMax = bytesMax - headMax;
  const head: Buffer[] = [];
  let headBytes = 0;
  const tail: Buffer[] = [];
  let tailBytes = 0;
  let omitted = 0;

  function writeTail(chunk: Buffer): void {
    tail.push(chunk);
    tailBytes += chunk.length;
    for (let first = tail[0]; first && tailBytes - first.length >= tailMax; first = tail[0]) {
      tail.shift();
      tailBytes -= first.length;
      omitted += first.length;
    }
  }

  return {
    write(chunk) {
      const room = Math.min(headMax - headBytes, chunk.length);
      if (room > 0) {
        head.push(chunk.subarray(0, room));
        headBytes += room;
      }
      if (room < chunk.length) writeTail(chunk.subarray(room));
    },
    kept() {
      const excess = Math.max(0, tailBytes - tailMax);
      return {
        bytes: Buffer.concat([...head, Buffer.concat(tail).subarray(excess)]),
        omitted_bytes: omitted + excess,
      };
    },
  };
}
