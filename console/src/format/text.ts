/**
 * Characters that change how the text around them is read, or are not seen: controls, marks of direction, and those without
 * width. Texts of models, tools and files may hold them to look like what they are not.
 */
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|(?<!\p{Extended_Pictographic}\ufe0f?)\u200d/gu;

/** Each of them by its number: `⟨U+202E⟩`. */
export const visible = (text: string): string =>
  text.replace(unseen, (c) => `⟨U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** The beginning of an id, and its end: `sesn_…x4Kp`. */
export function shortId(id: string): string {
  const underscore = id.indexOf("_");
  return id.length <= 14 || underscore < 0 ? id : `${id.slice(0, underscore + 1)}…${id.slice(-5)}`;
}
