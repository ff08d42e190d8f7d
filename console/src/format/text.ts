/**
 * Characters that change how the text around them is read, or are not seen: controls, marks of direction, those without width,
 * fillers, and those that carry what nobody reads (tags, selectors of variants). Texts of models, tools and files may hold them
 * to look like what they are not, or to tell a model what a person does not see. What emoji and Han are written with is none.
 */
const unseen =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|\r(?!\n)|\u034f|\u17b4|\u17b5|\u180b|\u180c|\u180d|\u180f|(?<!\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]|(?<!\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<!\u{1f3f4}[\u{e0020}-\u{e007e}]{0,8})[\u{e0000}-\u{e00ff}]|[\u{e01f0}-\u{e0fff}]/gu;

/** Each of them by its number: `⟨U+202E⟩`. */
export const visible = (text: string): string =>
  text.replace(unseen, (c) => `⟨U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** As JSON that says all of it in characters that are seen: to be copied to where nobody looks at it first. */
export const visibleJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(unseen, (c) =>
    Array.from({ length: c.length }, (_, n) => `\\u${c.charCodeAt(n).toString(16).padStart(4, "0")}`).join(
      "",
    ),
  );

const escapes =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]P_^X][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)|[ -/]{0,4}[0-~])/g;

/** What a program has written for a terminal, without its colours, and each line that was written over by itself. */
export const fromTerminal = (text: string): string => text.replace(escapes, "").replace(/\r+\n?/g, "\n");

/** Of bytes whose end may be cut off, in UTF-8, or in UTF-16 where they begin by saying so; null where they are none. */
export function textOf(bytes: Uint8Array): string | null {
  const [first = 0, second = 0] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

/** Of a value as deep or as large as it likes. */
export function readableJson(value: unknown): string {
  try {
    const short = JSON.stringify(value);
    // Each level is another step to the right, which grows by the square.
    return short.length > 200_000 || deepest(short) > 60 ? short : JSON.stringify(value, null, 2);
  } catch {
    return "(nested too deep to be shown)";
  }
}

function deepest(json: string): number {
  let depth = 0;
  let max = 0;
  for (const char of json) {
    if (char === "{" || char === "[") max = Math.max(max, ++depth);
    else if (char === "}" || char === "]") depth--;
  }
  return max;
}

/** The beginning of an id, and its end: `sesn_…x4Kp`. */
export function shortId(id: string): string {
  const underscore = id.indexOf("_");
  return id.length <= 14 || underscore < 0 ? id : `${id.slice(0, underscore + 1)}…${id.slice(-5)}`;
}
