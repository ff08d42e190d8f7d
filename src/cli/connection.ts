import Anthropic from "@anthropic-ai/sdk";
import { explain } from "./explain.ts";

/** A client of a Drover server. Nothing is read from the environment: its variables may mean the hosted service. */
export const connect = (baseURL: string, apiKey: string): Anthropic =>
  new Anthropic({ baseURL, apiKey, authToken: null, logLevel: "off", maxRetries: 2 });

/** Where a command asks and with which key, unless its options say so. */
export interface ServerDefaults {
  url(): string;
  /** The key of the server on this machine, where it can be read. */
  apiKey(): string | undefined;
}

export const noApiKey = "No API key: pass --api-key or set DROVER_API_KEY. `drover up` prints it.\n";

/** What went wrong at a server, in a line. */
export function explainAt(url: string, error: unknown): string {
  if (error instanceof Anthropic.APIConnectionError)
    return `No server answers at ${url}. Start one with: npm start`;
  if (error instanceof Anthropic.AuthenticationError) return `The server at ${url} refuses the API key.`;
  if (error instanceof Anthropic.APIError && error.apiMessage) return error.apiMessage;
  return explain(error);
}
