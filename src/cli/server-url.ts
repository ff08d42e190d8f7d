import { InvalidArgumentError } from "commander";
import { exits, Failure } from "./exits.ts";

export const isServerUrl = (text: string): boolean => serverUrlFault(text) === null;

/** Why a text is no server's address; null where it is one. It does not repeat the text, which may hold a password. */
export function serverUrlFault(text: string): string | null {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return "must be an http or https URL";
  if (url.username || url.password)
    return "must hold no user and no password: a key is in DROVER_API_KEY, or kept by drover profiles set";
  return null;
}

/** An option's value that is a server's address. */
export function serverUrl(text: string): string {
  const fault = serverUrlFault(text);
  if (fault === null) return text;
  // Commander would show what was given.
  if (text.includes("@")) throw new Failure(`the address ${fault}`, exits.usage);
  throw new InvalidArgumentError("It must be an http or https URL.");
}
