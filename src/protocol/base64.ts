/** Reads base64 where it stands: a request may hold 32 MB of it, of which nobody needs a copy to look at its head. */

const not_base64 =
  "is not base64: send the bytes in the standard alphabet, padded with =, without line breaks and without a data: prefix";

/** What is wrong with it, or null. A search for one wrong character needs no stack, which a whole match would. */
export function base64Problem(text: string): string | null {
  if (text === "") return "is empty: send the bytes of the file as base64";
  const end = text.search(/[^A-Za-z0-9+/]/);
  const padding = end < 0 ? "" : text.slice(end, end + 4);
  return text.length % 4 === 0 && /^={0,2}$/.test(padding) ? null : not_base64;
}

/** Length of what it stands for, in bytes. */
export function base64Length(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** Up to `length` bytes from `start` on: fewer, or none, where it ends before. */
export function base64Bytes(text: string, start: number, length: number): Buffer {
  const first = Math.floor(start / 3);
  const last = Math.ceil((start + length) / 3);
  const bytes = Buffer.from(text.slice(first * 4, last * 4), "base64");
  return bytes.subarray(start - first * 3, start - first * 3 + length);
}

const window_bytes = 4 << 10;

/** Gives single bytes, undefined behind the end. What is decoded for one is there for those that follow it. */
export function base64Reader(text: string): (place: number) => number | undefined {
  let from = 0;
  let held: Buffer = Buffer.alloc(0);
  return (place) => {
    if (place < from || place >= from + held.length) {
      from = place;
      held = base64Bytes(text, place, window_bytes);
    }
    return held[place - from];
  };
}
