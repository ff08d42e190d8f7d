import { readableJson } from "../format/text.ts";

/** What of a call's input says most in a line. */
export function gist(input: Record<string, unknown>): string {
  const telling = input.command ?? input.path ?? input.file_path ?? input.pattern ?? input.url ?? input.query;
  const text = typeof telling === "string" ? telling : readableJson(input);
  return text.slice(0, 300).replace(/\s+/g, " ");
}
