/**
 * A set of SHA-256 hashes that is small enough for all that a storage holds: at most 32 bytes for each. It knows them by
 * their first 52 bits, so it may say that it has one that it has not, never the other way round.
 */
export interface Hashes {
  add(sha256: string): void;
  has(sha256: string): boolean;
  count(): number;
}

export function createHashes(): Hashes {
  /** A power of two of places, at most half of them taken. 0 is a free one. */
  let places = new Float64Array(1 << 10);
  let count = 0;

  /** Where it is, or would be. */
  function placeOf(value: number): number {
    let at = value % places.length;
    while (places[at] !== 0 && places[at] !== value) at = (at + 1) % places.length;
    return at;
  }

  function grow(): void {
    const before = places;
    places = new Float64Array(before.length * 2);
    for (const value of before) if (value !== 0) places[placeOf(value)] = value;
  }

  return {
    add(sha256) {
      const value = numberOf(sha256);
      const at = placeOf(value);
      if (places[at] === value) return;
      places[at] = value;
      count += 1;
      if (count * 2 > places.length) grow();
    },
    has(sha256) {
      const value = numberOf(sha256);
      return places[placeOf(value)] === value;
    },
    count: () => count,
  };
}

const numberOf = (sha256: string): number => Number.parseInt(sha256.slice(0, 13), 16) || 1;
