import { InvalidArgumentError } from "commander";

export const isServerUrl = (text: string): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? "");

/** An option's value that is a server's address. */
export function serverUrl(text: string): string {
  if (!isServerUrl(text)) throw new InvalidArgumentError("It must be an http or https URL.");
  return text;
}
