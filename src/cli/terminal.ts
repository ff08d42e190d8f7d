import { styleText } from "node:util";

export interface Terminal {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

export type Style = Parameters<typeof styleText>[0];

/** Colours where the terminal shows them; NO_COLOR has none anywhere, FORCE_COLOR has them without a terminal too. */
export const painter =
  (out: Terminal, env: NodeJS.ProcessEnv = process.env) =>
  (style: Style, text: string): string =>
    hasColours(out, env) ? styleText(style, text, { validateStream: false }) : text;

function hasColours(out: Terminal, { NO_COLOR, FORCE_COLOR: forced, TERM }: NodeJS.ProcessEnv): boolean {
  if (NO_COLOR) return false;
  if (forced) return forced !== "0" && forced !== "false";
  return out.isTTY === true && TERM !== "dumb";
}

/** Whether what was written to it can be drawn anew. */
export const canRedraw = (out: Terminal, { TERM }: NodeJS.ProcessEnv = process.env): boolean =>
  out.isTTY === true && TERM !== "dumb";

/** What turns the direction of text, or is not to be seen at all. Joiners are left: emoji and some scripts need them. */
const unseen =
  "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb";
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;
const unseenOrHalf = new RegExp(`[${unseen}\\u{e0000}-\\u{e0fff}\\ud800-\\udfff]`, "gu");

/** Text of models, files and people as a terminal may have it: what it would obey, or hide, is shown as a picture or by its number. */
export const visible = (text: string): string =>
  text
    .replace(controls, (character) => {
      if (character === "\t") return "  ";
      return character === "\u007f" ? "␡" : String.fromCharCode(0x2400 + (character.charCodeAt(0) % 0x40));
    })
    .replace(
      unseenOrHalf,
      (character) => `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`,
    );

/** The same in one line. */
export const visibleLine = (text: string): string => visible(text).replaceAll("\n", "␊");

const escaped = new RegExp(`[\\u007f-\\u009f${unseen}]|[\\u{e0000}-\\u{e0fff}]`, "gu");

/** JSON in which nothing is left that a terminal obeys or hides; the same value to whoever parses it. */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(escaped, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
