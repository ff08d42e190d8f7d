import Anthropic from "@anthropic-ai/sdk";
import { type Exit, exits, Failure } from "../exits.ts";
import { explain } from "../explain.ts";
import { visibleLine } from "../terminal.ts";

/**
 * A client of a Drover server. Nothing is read from the environment: its variables may mean the hosted service. To where a
 * server redirects it does not follow: the key would go there too.
 */
export const connect = (baseURL: string, apiKey: string): Anthropic =>
  new Anthropic({
    baseURL,
    apiKey,
    authToken: null,
    logLevel: "off",
    maxRetries: 2,
    fetchOptions: { redirect: "manual" },
  });

/** What went wrong at a server, in a line. */
export function explainAt(url: string, error: unknown): string {
  if (error instanceof Anthropic.APIConnectionError)
    return `No server answers at ${url}. Start one with: npm start`;
  if (error instanceof Anthropic.AuthenticationError) return `The server at ${url} refuses the API key.`;
  if (error instanceof Anthropic.APIError && isRedirect(error))
    return visibleLine(
      `The server at ${url} redirects to ${error.headers?.get("location") ?? "somewhere"}: name the address that it has.`,
    );
  if (error instanceof Anthropic.APIError && error.apiMessage) return visibleLine(error.apiMessage);
  return visibleLine(explain(error));
}

const isRedirect = ({ status = 0 }: InstanceType<typeof Anthropic.APIError>) => status >= 300 && status < 400;

/** What a process ends with that has failed so. */
export function exitOf(error: unknown): Exit {
  if (error instanceof Failure) return error.exit;
  if (error instanceof Anthropic.APIConnectionError) return exits.unreachable;
  if (error instanceof Anthropic.NotFoundError) return exits.not_found;
  if (error instanceof Anthropic.AuthenticationError || error instanceof Anthropic.PermissionDeniedError)
    return exits.refused;
  return exits.failed;
}
