/** What of a call's input says most in a line. */
export function gist(input: Record<string, unknown>): string {
  const telling = input.command ?? input.path ?? input.file_path ?? input.pattern ?? input.url ?? input.query;
  return (typeof telling === "string" ? telling : JSON.stringify(input)).slice(0, 300).replaceAll("\n", " ");
}
