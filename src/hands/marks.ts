/**
 * Finds numbered marks in a byte stream, wherever chunks are cut, and takes them out. A mark is the prefix, eight hex
 * digits and the byte 0x1e.
 */
export interface MarkScanner {
  write(chunk: Buffer): void;
  /** No more comes: what could have begun a mark was none. */
  end(): void;
}

const digits = 8;
const terminator = 0x1e;

export function markPrefix(nonce: string): Buffer {
  return Buffer.from(`\x1e${nonce}:`, "latin1");
}

export function scanMarks(
  prefix: Buffer,
  on: { bytes(chunk: Buffer): void; mark(number: number): void },
): MarkScanner {
  const markBytes = prefix.length + digits + 1;
  let held: Buffer = Buffer.alloc(0);

  const pass = (chunk: Buffer) => {
    if (chunk.length > 0) on.bytes(chunk);
  };

  return {
    write(chunk) {
      let rest = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
      for (
        let at = rest.indexOf(prefix);
        at !== -1 && rest.length - at >= markBytes;
        at = rest.indexOf(prefix)
      ) {
        const number = rest.toString("latin1", at + prefix.length, at + markBytes - 1);
        if (rest[at + markBytes - 1] === terminator && /^[0-9a-f]{8}$/.test(number)) {
          pass(rest.subarray(0, at));
          on.mark(Number.parseInt(number, 16));
          rest = rest.subarray(at + markBytes);
        } else {
          pass(rest.subarray(0, at + 1));
          rest = rest.subarray(at + 1);
        }
      }
      const cut = startOfMark(rest, prefix, markBytes);
      pass(rest.subarray(0, cut));
      held = Buffer.from(rest.subarray(cut));
    },
    end() {
      pass(held);
      held = Buffer.alloc(0);
    },
  };
}

/** Where a mark may begin whose end has not come yet. */
function startOfMark(bytes: Buffer, prefix: Buffer, markBytes: number): number {
  for (let at = Math.max(0, bytes.length - markBytes + 1); at < bytes.length; at++) {
    const length = Math.min(prefix.length, bytes.length - at);
    if (bytes.compare(prefix, 0, length, at, at + length) === 0) return at;
  }
  return bytes.length;
}
