import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";
import { limits } from "../limits.ts";

/** What a program says, line by line, and the end of it: as text that moves no cursor. */
export interface LastWords {
  write(chunk: Buffer): void;
  said(): string;
}

export function lastWords(onLine: (line: string) => void): LastWords {
  const decoder = new StringDecoder("utf8");
  let begun = "";
  let kept = "";

  function take(line: string): void {
    const clean = plain(line).trimEnd();
    if (clean === "") return;
    kept = `${kept}${clean}\n`.slice(-limits.setup_failure_chars_max);
    onLine(clean.slice(0, limits.setup_line_chars_max));
  }

  return {
    write(chunk) {
      // A bar that is drawn over itself is many lines.
      const lines = (begun + decoder.write(chunk)).split(/[\r\n]+/);
      begun = (lines.pop() ?? "").slice(-limits.setup_failure_chars_max);
      for (const line of lines) take(line);
    },
    said() {
      take(begun);
      begun = "";
      return kept.trim();
    },
  };
}

const plain = (text: string) => stripVTControlCharacters(text).replace(/\p{Cc}/gu, " ");
