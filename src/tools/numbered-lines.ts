import { cutBefore } from "./preview.ts";

/** Lines as `cat -n` numbers them, as many as fit. */
export interface NumberedLines {
  text: string;
  /** Of the lines that were given; 0 when not even the first fits. */
  shown: number;
}

export const lineCharsMax = 2_000;

export function numberedLines(lines: string[], first: number, charsMax: number): NumberedLines {
  const shown: string[] = [];
  let chars = 0;
  for (const [i, line] of lines.entries()) {
    const numbered = `${String(first + i).padStart(6)}\t${shortened(line)}`;
    chars += numbered.length + 1;
    if (chars > charsMax) break;
    shown.push(numbered);
  }
  return { text: shown.join("\n"), shown: shown.length };
}

/** A line with a note where it was cut. */
export const shortened = (line: string): string =>
  line.length > lineCharsMax
    ? `${cutBefore(line, lineCharsMax)} [... the line is cut here: it has more than ${lineCharsMax} characters]`
    : line;
