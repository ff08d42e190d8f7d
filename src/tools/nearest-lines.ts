import { numberedLines } from "./numbered-lines.ts";

/** Why a text that was to be replaced is not in a file, as far as can be told from the two. */

const linesNamed = 20;

/** The lines in which the occurrences of `part` begin, the first of them. */
export function linesOf(text: string, part: string): string[] {
  const lines: string[] = [];
  let line = 1;
  let from = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) {
    if (lines.length === linesNamed) return [...lines, "..."];
    for (let next = text.indexOf("\n", from); next !== -1 && next < at; next = text.indexOf("\n", from)) {
      line += 1;
      from = next + 1;
    }
    lines.push(String(line));
  }
  return lines;
}

export function whyNotFound(text: string, wanted: string): string {
  const lines = text.split("\n").slice(0, comparedLinesMax);
  const sought = wanted.split("\n");
  if (sought.every((line) => /^\s*\d+\t/.test(line))) {
    return "It begins with line numbers, which read shows and which are not in the file: leave them out.";
  }
  const same = sameButForWhitespace(lines, sought);
  if (same !== null) {
    return `It is there but for whitespace. The file has:\n${shown(lines, same, sought.length)}${difference(lines.slice(same, same + sought.length), sought)}`;
  }
  const near = nearest(lines, sought);
  if (near === null) return "No line of the file is like it.";
  return `The nearest lines are:\n${shown(lines, Math.max(0, near - 1), sought.length + 2)}`;
}

/** What is compared, for the time it takes. */
const comparedLinesMax = 20_000;
const comparedChars = 300;
const shownLinesMax = 20;
const shownCharsMax = 4_000;

const shown = (lines: string[], start: number, count: number) =>
  numberedLines(lines.slice(start, start + Math.min(count, shownLinesMax)), start + 1, shownCharsMax).text;

const squeezed = (line: string) => line.trim().replaceAll(/\s+/g, " ");

/** Where the sought lines stand if whitespace within and around them does not count. */
function sameButForWhitespace(lines: string[], sought: string[]): number | null {
  const wanted = sought.map(squeezed);
  if (wanted.every((line) => line === "")) return null;
  const present = lines.map(squeezed);
  const last = wanted.length - 1;
  for (let at = 0; at + last < present.length; at++) {
    const fits = wanted.every((line, i) => {
      const other = present[at + i] ?? "";
      if (i > 0 && i < last) return other === line;
      if (last === 0) return other.includes(line);
      return i === 0 ? other.endsWith(line) : other.startsWith(line);
    });
    if (fits) return at;
  }
  return null;
}

/** The first line whose whitespace differs, and how. */
function difference(present: string[], sought: string[]): string {
  for (const [i, wanted] of sought.entries()) {
    const other = present[i] ?? "";
    const [has, wants] = [indentOf(other), indentOf(wanted)];
    const within = i > 0 || sought.length > 1;
    if (within && has !== wants) {
      return `\nIts line ${i + 1} begins with ${inWords(has)} there, and with ${inWords(wants)} in old_string.`;
    }
    if (/\s$/.test(other) !== /\s$/.test(wanted)) {
      const where = /\s$/.test(other) ? "there" : "in old_string";
      return `\nIts line ${i + 1} ends with whitespace only ${where}.`;
    }
  }
  return "";
}

const indentOf = (line: string) => /^\s*/.exec(line)?.[0] ?? "";

function inWords(indent: string): string {
  if (indent === "") return "no whitespace";
  const tabs = indent.split("\t").length - 1;
  const others = indent.length - tabs;
  const counted = (count: number, what: string) =>
    count === 0 ? [] : [`${count} ${what}${count === 1 ? "" : "s"}`];
  return [...counted(tabs, "tab"), ...counted(others, "space")].join(" and ");
}

/** The line that has most of its pairs of letters in common with the first sought line that has any. */
function nearest(lines: string[], sought: string[]): number | null {
  const skipped = sought.findIndex((line) => pairsOf(line).size > 0);
  if (skipped === -1) return null;
  const wanted = pairsOf(sought[skipped] ?? "");
  let best = { at: -1, share: 0.5 };
  for (const [at, line] of lines.entries()) {
    const pairs = pairsOf(line);
    let common = 0;
    for (const pair of pairs) if (wanted.has(pair)) common += 1;
    const share = (2 * common) / (pairs.size + wanted.size);
    if (share > best.share) best = { at, share };
  }
  return best.at === -1 ? null : Math.max(0, best.at - skipped);
}

function pairsOf(line: string): Set<string> {
  const text = squeezed(line.slice(0, comparedChars));
  const pairs = new Set<string>();
  for (let i = 0; i + 1 < text.length; i++) pairs.add(text.slice(i, i + 2));
  return pairs;
}
