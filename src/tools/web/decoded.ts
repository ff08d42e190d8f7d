/** A mark at the beginning of a text says its encoding, whatever else does. */
const marks: [bytes: number[], charset: string][] = [
  [[0xef, 0xbb, 0xbf], "utf-8"],
  [[0xff, 0xfe], "utf-16le"],
  [[0xfe, 0xff], "utf-16be"],
];

/** A text in the first encoding that anybody knows: by its mark, as one of `charsets` says, else UTF-8. */
export function decoded(bytes: Uint8Array, charsets: readonly string[]): string {
  const marked = marks.find(([mark]) => mark.every((byte, i) => bytes[i] === byte))?.[1];
  for (const charset of [marked, ...charsets]) {
    if (!charset) continue;
    try {
      return new TextDecoder(charset).decode(bytes);
    } catch {
      // Nobody knows it: the next one.
    }
  }
  return new TextDecoder().decode(bytes);
}
