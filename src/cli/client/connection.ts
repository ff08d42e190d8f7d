import Anthropic from "@anthropic-ai/sdk";
import { type Exit, exits, Failure } from "../exits.ts";
import { explain } from "../explain.ts";
import { visibleLine } from "../terminal.ts";

/** How long a server may take to begin its answer. */
const answer_ms = 60_000;

/** What is uploaded comes before the answer does. */
export const uploading = { timeout: 3_600_000 };

/**
 * A client of a Drover server. Nothing is read from the environment: its variables may mean the hosted service. To where a
 * server redirects it does not follow: the key would go there too.
 */
export const connect = (
  baseURL: string,
  apiKey: string,
  { timeout = answer_ms, maxRetries = 2 }: { timeout?: number; maxRetries?: number } = {},
): Anthropic => {
  // The one variable that the SDK reads whatever it is given: headers, and keys among them, for another server.
  delete process.env.ANTHROPIC_CUSTOM_HEADERS;
  return new Anthropic({
    baseURL,
    apiKey,
    authToken: null,
    logLevel: "off",
    maxRetries,
    timeout,
    fetch: noWebPages,
    fetchOptions: { redirect: "manual" },
  });
};

/** A gateway's page about what went wrong is no answer of the API, whatever its status; what files hold may be pages. */
const noWebPages: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { pathname } = new URL(response.url || String(input));
  const isPage = response.headers.get("content-type")?.startsWith("text/html") === true;
  if (!isPage || isRedirect(response) || pathname.endsWith("/content")) return response;
  await response.body?.cancel();
  throw new WebPage(response.status);
};

class WebPage extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`a web page, with status ${status}`);
    this.status = status;
  }
}

/** What went wrong at a server, in a line. */
export function explainAt(url: string, error: unknown): string {
  const at = visibleLine(url);
  if (error instanceof Anthropic.APIConnectionTimeoutError) return `The server at ${at} does not answer.`;
  if (error instanceof Anthropic.APIConnectionError)
    return error.cause instanceof WebPage
      ? `What answers at ${at} is no Drover server, or not ready: it sends ${error.cause.message}.`
      : `No server answers at ${at}.${isHere(url) ? " Start one with: npm start" : ""}`;
  if (error instanceof Anthropic.AuthenticationError) return `The server at ${at} refuses the API key.`;
  if (error instanceof Anthropic.APIError && isRedirect(error))
    return visibleLine(
      `The server at ${url} redirects to ${error.headers?.get("location") ?? "somewhere"}: name the address that it has.`,
    );
  if (error instanceof Anthropic.APIError)
    return error.apiMessage
      ? visibleLine(error.apiMessage)
      : `The server at ${at} answers with status ${error.status}, and not as the API does.`;
  if (isCutOff(error)) return `The server at ${at} broke off its answer.`;
  if ((error as NodeJS.ErrnoException).code === "ENOSPC") return "There is no room left on the disk.";
  return visibleLine(explain(error));
}

const isHere = (url: string) => ["127.0.0.1", "localhost", "[::1]"].includes(URL.parse(url)?.hostname ?? "");

/** So fetch says that a body has ended before it was over. */
const isCutOff = (error: unknown) => error instanceof TypeError && error.message === "terminated";

const isRedirect = ({ status = 0 }: { status?: number | undefined }) => status >= 300 && status < 400;

/** What a process ends with that has failed so. */
export function exitOf(error: unknown): Exit {
  if (error instanceof Failure) return error.exit;
  if (error instanceof Anthropic.APIConnectionError || isCutOff(error)) return exits.unreachable;
  if (error instanceof Anthropic.NotFoundError) return exits.not_found;
  if (error instanceof Anthropic.AuthenticationError || error instanceof Anthropic.PermissionDeniedError)
    return exits.refused;
  return exits.failed;
}
