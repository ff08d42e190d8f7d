const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What has no cell of its own: marks on the letter before, joiners, selectors, the later parts of a Hangul syllable. */
const unwide = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/gu;

const emoji = /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f)/u;

/** East Asian Wide and Fullwidth (UAX 11) but for emoji. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;

/** Printable ASCII, which most text is. */
const narrow = /^[\x20-\x7e]*$/;

/** Of several letters in one grapheme a terminal draws each; of several emoji, one. */
function widthOf(grapheme: string): number {
  if (emoji.test(grapheme)) return 2;
  return [...grapheme.replace(unwide, "")].reduce((sum, letter) => sum + (wide.test(letter) ? 2 : 1), 0);
}

/** How many cells of a terminal a line takes in which nothing is left that moves the cursor. */
export function displayWidth(line: string): number {
  if (narrow.test(line)) return line.length;
  let width = 0;
  for (const { segment } of graphemes.segment(line)) width += widthOf(segment);
  return width;
}

/** As much of a line as has room in so many cells, with a mark where something is left out. */
export function cut(line: string, cells: number): string {
  if (line.length <= cells && narrow.test(line)) return line;
  const shown: string[] = [];
  let width = 0;
  // Where it is too long, the last cell is the mark's.
  let fitting = 0;
  for (const { segment } of graphemes.segment(line)) {
    width += widthOf(segment);
    if (width > cells) return cells < 1 ? "" : `${shown.slice(0, fitting).join("")}…`;
    shown.push(segment);
    if (width < cells) fitting = shown.length;
  }
  return line;
}
