/**
 * What is sent byte by byte comes in as many pieces, and each takes some hundred bytes of memory: a bound of bytes alone is
 * none. `createPieces` keeps them as one. A stream with `oneAtATime` takes no further piece while one waits, for whoever reads
 * it and for whom it is written to; that changes nothing of what flows. It is nothing for connections over which Node serves HTTP:
 * those would not be read from again.
 */
export const oneAtATime = { highWaterMark: 1 } as const;

/** Pieces that are kept together, however many they are. */
export interface Pieces {
  readonly bytes: number;
  add(piece: Buffer): void;
  /** All of them as one, and none is left. */
  take(): Buffer;
}

const empty = Buffer.alloc(0);

export function createPieces(): Pieces {
  let kept: Buffer = empty;
  let bytes = 0;
  /** A single one is somebody else's memory, in which there is no room. */
  let isOwn = false;

  return {
    get bytes() {
      return bytes;
    },
    add(piece) {
      const sum = bytes + piece.length;
      if (bytes === 0) {
        kept = piece;
        isOwn = false;
      } else {
        if (!isOwn || sum > kept.length) {
          const grown = Buffer.allocUnsafeSlow(Math.max(2 * sum, 1 << 10));
          kept.copy(grown, 0, 0, bytes);
          kept = grown;
          isOwn = true;
        }
        piece.copy(kept, bytes);
      }
      bytes = sum;
    },
    take() {
      const all = kept.subarray(0, bytes);
      kept = empty;
      bytes = 0;
      isOwn = false;
      return all;
    },
  };
}
