/** Asks the server that this page came from; the browser's cookie says who asks. */

/** An answer that is none: what the API's error envelope says, or that no answer came. */
export class Problem extends Error {
  readonly type: string;
  /** 0 when the server could not be reached. */
  readonly status: number;
  readonly requestId: string | null;

  constructor(status: number, type: string, message: string, requestId: string | null) {
    super(message);
    this.status = status;
    this.type = type;
    this.requestId = requestId;
  }
}

/** Nobody answers, or whoever does says that what it works with is away: nothing can be had at present. */
export const isAway = (error: unknown): error is Problem =>
  error instanceof Problem && (error.status === 0 || error.status === 503);

type QueryValue = string | number | boolean | null | undefined | readonly string[];
export type Query = Record<string, QueryValue>;

export interface Asked {
  method?: "GET" | "POST" | "DELETE";
  query?: Query;
  /** JSON, unless it is a form. */
  body?: unknown;
  accept?: string;
  signal?: AbortSignal | undefined;
  /** After so long without an answer it counts as none: a connection may be dead without a word. Streams have no end. */
  within_ms?: number;
  headers?: Record<string, string>;
}

/** Lists go as `name[]`, nested names as they are given: `created_at[gte]`. */
export function pathWith(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    if (typeof value === "object") for (const item of value) search.append(`${name}[]`, item);
    else search.append(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  let error: { type?: unknown; message?: unknown } = {};
  try {
    error = (JSON.parse(text) as { error?: typeof error }).error ?? {};
  } catch {
    // Whatever stands between may answer in words of its own.
  }
  return new Problem(
    response.status,
    typeof error.type === "string" ? error.type : "api_error",
    typeof error.message === "string" ? error.message : `the server answered ${response.status}`,
    response.headers.get("request-id"),
  );
}

const readMsMax = 30_000;

/** Throws a `Problem`, or an `AbortError` when `signal` has been given up. */
export async function send(path: string, asked: Asked = {}): Promise<Response> {
  const { method = "GET", query, body, accept, signal: given, headers } = asked;
  const { within_ms = method === "GET" && accept === undefined ? readMsMax : undefined } = asked;
  const signal =
    within_ms === undefined
      ? given
      : AbortSignal.any([AbortSignal.timeout(within_ms), ...(given ? [given] : [])]);
  const form = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(pathWith(path, query), {
      method,
      credentials: "same-origin",
      headers: {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "managed-agents-2026-04-01",
        "x-drover-console": "1",
        ...(accept && { accept }),
        ...(body !== undefined && !form && { "content-type": "application/json" }),
        ...headers,
      },
      body: form ? body : body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (given?.aborted) throw error;
    if (signal?.aborted) throw new Problem(0, "connection_error", "The server does not answer.", null);
    throw new Problem(0, "connection_error", "The server cannot be reached.", null);
  }
  if (response.status === 401) for (const tell of signedOut) tell();
  if (!response.ok) throw await problemOf(response);
  return response;
}

const signedOut = new Set<() => void>();

/** Told of every answer that says that nobody is signed in, whatever was asked. */
export const onSignedOut = (listener: () => void) => signedOut.add(listener);

export async function ask<Answer>(path: string, asked: Asked = {}): Promise<Answer> {
  return (await (await send(path, asked)).json()) as Answer;
}
