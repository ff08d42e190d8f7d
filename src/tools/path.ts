import { posix } from "node:path";
import { z } from "zod";
import { limits } from "../limits.ts";

const path = z
  .string()
  .min(1)
  .max(limits.tool_path_chars_max)
  .refine(
    (text) => !/^~(\/|$)/.test(text),
    "~ stands for nothing here: give the path from / or from /workspace",
  )
  // Programs take it for their input.
  .transform((text) => (posix.normalize(text) === "-" ? "/workspace/-" : text));

export const filePath = path.describe("Path of the file, absolute or from /workspace.");
export const folderPath = path.optional().describe("Where to search; /workspace when left out.");
export const searchPattern = z.string().min(1).max(limits.tool_pattern_chars_max);

export const fileStep = { timeout_ms: limits.file_tool_timeout_ms };

/** A name that would not stay in its line is shown as JSON. */
export const shownName = (name: string): string =>
  [...name].some((char) => char < " " || char === "\x7f") ? JSON.stringify(name) : name;

/** The few of `names` that somebody who wrote `wanted` may have meant, the likeliest first. */
export function nearNames(wanted: string, names: string[]): string[] {
  const scored = names.map((name) => ({
    name,
    distance: distance(wanted.toLowerCase(), name.toLowerCase()),
  }));
  const near = scored.filter(({ distance }) => distance <= Math.max(2, wanted.length / 3));
  return near
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, namesShown)
    .map(({ name }) => name);
}

const namesShown = 5;
/** Of names that are compared letter by letter. */
const nameCharsMax = 100;

/** Letters to change, insert or remove; of names that one begins or ends with the other, little. */
function distance(a: string, b: string): number {
  if (a.length > nameCharsMax || b.length > nameCharsMax) return a === b ? 0 : nameCharsMax;
  if (a.length > 2 && b.length > 2 && (b.startsWith(a) || a.startsWith(b) || b.endsWith(a))) return 2;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, char] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const [left = 0, up = 0, across = 0] = [next[j - 1], row[j], row[j - 1]];
      next.push(Math.min(left + 1, up + 1, across + (b[j - 1] === char ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? nameCharsMax;
}
