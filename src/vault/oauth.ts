import type { Response } from "undici";
import { z } from "zod";
import { limits } from "../limits.ts";
import { type Guard, refusalIn } from "../net/guard.ts";
import { retryAfterOf } from "../net/retry-after.ts";
import { type CapturedResponse, captured, readBody } from "./captured.ts";

/** What is asked of a token endpoint: RFC 6749, section 6, with the resource indicator of RFC 8707. */
export interface RefreshRequest {
  token_endpoint: string;
  client_id: string;
  /** By which the client says who it is; null with `none`. */
  client_secret: string | null;
  method: "none" | "client_secret_basic" | "client_secret_post";
  refresh_token: string;
  scope: string | null;
  resource: string | null;
  /** What is not to be shown of an answer, beside what is sent. */
  hidden: readonly string[];
}

/**
 * How it ended. Nothing of the request's secrets is in it but what `succeeded` has brought; `why` can be shown and written
 * down.
 */
export type RefreshAnswer =
  | {
      status: "succeeded";
      access_token: string;
      /** Null: the one that was sent is still good. */
      refresh_token: string | null;
      /** From when it was asked for; null where nobody knows. */
      expires_in_s: number | null;
      http_status: number;
    }
  | {
      status: "failed";
      /** The endpoint will not say otherwise the next time: somebody has to authorize again. */
      is_refusal: boolean;
      /** For how long it asks to be left alone; null where it does not say. */
      retry_after_ms: number | null;
      why: string;
      http_response: CapturedResponse;
    }
  | {
      status: "connect_error";
      /** Whether anything was sent: the guard was against it otherwise. */
      was_refused: boolean;
      why: string;
    };

/**
 * One request to a token endpoint, whose address a client has chosen. It follows no redirect: a token endpoint has no business
 * with one, and what is sent would go to somebody else.
 */
export async function askTokenEndpoint(guard: Guard, request: RefreshRequest): Promise<RefreshAnswer> {
  const { host } = new URL(request.token_endpoint);
  try {
    const response = await guard.fetch(request.token_endpoint, {
      method: "POST",
      headers: {
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
        ...(request.method === "client_secret_basic" && { authorization: basicOf(request) }),
      },
      body: formOf(request).toString(),
      redirect: "manual",
      signal: AbortSignal.timeout(limits.oauth_refresh_ms),
    });
    return await answerIn(response, host, request);
  } catch (error) {
    const refused = refusalIn(error);
    const isLate = error instanceof Error && error.name === "TimeoutError";
    return {
      status: "connect_error",
      was_refused: refused !== null,
      why: refused ?? `${host} ${isLate ? "did not answer in time" : `cannot be reached${codeOf(error)}`}`,
    };
  }
}

function formOf({ method, client_id, client_secret, refresh_token, scope, resource }: RefreshRequest) {
  const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token });
  if (scope !== null) form.set("scope", scope);
  if (resource !== null) form.set("resource", resource);
  // A client that names itself in the header must not do so here as well.
  if (method !== "client_secret_basic") form.set("client_id", client_id);
  if (method === "client_secret_post") form.set("client_secret", client_secret ?? "");
  return form;
}

/** Both are encoded as in a form first (RFC 6749, section 2.3.1): a colon in the id would end it. */
function basicOf({ client_id, client_secret }: RefreshRequest): string {
  const encoded = [client_id, client_secret ?? ""].map(formEncoded).join(":");
  return `Basic ${Buffer.from(encoded).toString("base64")}`;
}

const formEncoded = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1);

const chars = limits.secret_chars_max;
const tokenAnswer = z.object({
  access_token: z.string().regex(new RegExp(`^[\\x21-\\x7e]{1,${chars}}$`)),
  // Some write none as an empty text.
  refresh_token: z
    .string()
    .regex(new RegExp(`^[\\x20-\\x7e]{0,${chars}}$`))
    .nullish()
    .transform((text) => text || null),
  token_type: z
    .string()
    .regex(/^bearer$/i)
    .nullish(),
  // Some write the number as a text.
  expires_in: z.coerce.number().positive().nullish().catch(null),
});

const errorAnswer = z.object({ error: z.string().min(1) });

/** Of RFC 6749 and RFC 8707: what else an endpoint says might be anything. */
const errorCodes = [
  ...["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"],
  ...["unsupported_grant_type", "invalid_scope", "invalid_target"],
];

async function answerIn(response: Response, host: string, request: RefreshRequest): Promise<RefreshAnswer> {
  const body = await readBody(response, limits.oauth_answer_bytes_max);
  const { status } = response;
  const text = new TextDecoder().decode(body.bytes);
  const said = jsonOf(text);
  const error = errorAnswer.safeParse(said);
  const parsed = tokenAnswer.safeParse(said);
  if (response.ok && !error.success && parsed.success) {
    const { access_token, refresh_token, expires_in } = parsed.data;
    const isKnown = expires_in != null && expires_in <= limits.oauth_expires_s_max;
    const expires_in_s = isKnown ? expires_in : null;
    return { status: "succeeded", access_token, refresh_token, expires_in_s, http_status: status };
  }
  const code = error.success && errorCodes.includes(error.data.error) ? ` (${error.data.error})` : "";
  const what =
    response.ok && !error.success ? "answers with something else than a token" : `answers ${status}${code}`;
  const own =
    request.client_secret === null ? [] : [request.client_secret, formEncoded(request.client_secret)];
  const secrets = [request.refresh_token, ...own, ...request.hidden];
  return {
    status: "failed",
    // Some answer 200 with an error in it.
    is_refusal: error.success && response.ok ? true : isRefusal(status),
    retry_after_ms: retryAfterOf((name) => response.headers.get(name)),
    why: `${host} ${what}`,
    // What it may have given nonetheless is nobody's either.
    http_response: captured(response, body, [...secrets, ...tokensIn(text, said)]),
  };
}

/** Whether a server that answers so has judged what it was sent, and not only been unable to. */
export const isRefusal = (status: number): boolean =>
  status >= 400 && status < 500 && ![408, 425, 429].includes(status);

/** Whatever is called a token in an answer that is not as it should be, wherever it stands: some of them, for it may have many. */
function tokensIn(text: string, said: unknown): string[] {
  const named = text.matchAll(/token["']?\s*[=:>]\s*["']?([^\s"'&<>,;{}[\]]{8,})/gi);
  const values = [...valuesOf(said)].flatMap(([name, value]) =>
    /token$/i.test(name) && typeof value === "string" ? [value] : [],
  );
  const most = limits.captured_tokens_max;
  return [...values.slice(0, most), ...[...named].slice(0, most).map(([, value = ""]) => value)];
}

/** All that has a name in it, however deep. */
function* valuesOf(said: unknown): Generator<[name: string, value: unknown]> {
  const left = [said];
  while (left.length > 0) {
    const each = left.pop();
    if (typeof each !== "object" || each === null) continue;
    yield* Object.entries(each);
    left.push(...Object.values(each));
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What libraries say of a connection that failed may hold anything; its code does not. */
function codeOf(error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && typeof each.code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(each.code))
      return ` (${each.code})`;
  }
  return "";
}
