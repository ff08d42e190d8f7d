/** What is looked for, and what is put in its place. */
export interface Needle {
  bytes: Buffer;
  instead: Buffer;
}

export interface Found<Sought extends Needle = Needle> {
  start: number;
  end: number;
  needle: Sought;
}

/** Looks for many needles at a time: in most texts in steps of nearly `needleBytesMin`, however many there are. */
export interface Finder<Sought extends Needle = Needle> {
  /** All there are, those that overlap among them, by where they start; of those that start together the longest is first. */
  all(bytes: Buffer): Found<Sought>[];
  /** Where the longest end of it starts that a needle begins with; its length where none does. */
  beginning(bytes: Buffer): number;
}

/** By the algorithm of Wu and Manber, over blocks of three bytes. `window`: how many bytes every needle has at least. */
export function createFinder<Sought extends Needle>(
  needles: readonly Sought[],
  window: number,
): Finder<Sought> {
  const shifts = new Uint8Array(1 << hashBits).fill(window - blockBytes + 1);
  /** Of which the last block of the window has this hash. */
  const ending = new Map<number, Sought[]>();
  /** By their first byte, each list in order: of many that begin alike few are compared. */
  const starting = new Map<number, Sought[]>();
  let longest = 0;
  const longestFirst = needles.toSorted((a, b) => b.bytes.length - a.bytes.length);
  for (const needle of longestFirst) {
    const { bytes } = needle;
    longest = Math.max(longest, bytes.length);
    for (let last = blockBytes - 1; last < window; last += 1) {
      const hash = hashAt(bytes, last);
      shifts[hash] = Math.min(shifts[hash] ?? 0, window - 1 - last);
    }
    addTo(ending, hashAt(bytes, window - 1), needle);
    addTo(starting, bytes[0] ?? 0, needle);
  }
  for (const list of starting.values()) list.sort((a, b) => a.bytes.compare(b.bytes));

  return {
    all(bytes) {
      const found: Found<Sought>[] = [];
      if (needles.length === 0) return found;
      for (let last = window - 1; last < bytes.length; ) {
        const hash = hashAt(bytes, last);
        const shift = shifts[hash] ?? 0;
        if (shift === 0) {
          const start = last - window + 1;
          for (const needle of ending.get(hash) ?? []) {
            const end = start + needle.bytes.length;
            if (isAt(needle.bytes, bytes, start)) found.push({ start, end, needle });
          }
        }
        last += shift || 1;
      }
      return found;
    },
    beginning(bytes) {
      for (let start = Math.max(0, bytes.length - longest + 1); start < bytes.length; start += 1) {
        const list = starting.get(bytes[start] ?? 0);
        if (list && oneBegins(list, bytes.subarray(start))) return start;
      }
      return bytes.length;
    },
  };
}

const blockBytes = 3;
const hashBits = 15;

/** Of the block that ends there. */
const hashAt = (bytes: Buffer, last: number): number =>
  (((bytes[last - 2] ?? 0) << 10) ^ ((bytes[last - 1] ?? 0) << 5) ^ (bytes[last] ?? 0)) &
  ((1 << hashBits) - 1);

const isAt = (needle: Buffer, bytes: Buffer, start: number): boolean =>
  start + needle.length <= bytes.length &&
  bytes.compare(needle, 0, needle.length, start, start + needle.length) === 0;

/** Whether one of them begins with these bytes, and is longer. They are in order: it would be the first behind them. */
function oneBegins(needles: readonly Needle[], bytes: Buffer): boolean {
  let low = 0;
  let high = needles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((needles[middle]?.bytes.compare(bytes) ?? 0) <= 0) low = middle + 1;
    else high = middle;
  }
  const next = needles[low]?.bytes;
  return (
    next !== undefined &&
    next.length > bytes.length &&
    next.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
  );
}

function addTo<Sought>(lists: Map<number, Sought[]>, key: number, needle: Sought): void {
  const list = lists.get(key);
  if (list) list.push(needle);
  else lists.set(key, [needle]);
}
