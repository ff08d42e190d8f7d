import type { Response } from "undici";
import { limits } from "../../limits.ts";
import { type Guard, refusalIn } from "../../net/guard.ts";
import { decoded } from "./decoded.ts";
import { type DomainRules, mayVisit } from "./domains.ts";

/** Why a page cannot be had, by the names that the Messages API has for it. */
export type FetchProblem =
  | "invalid_tool_input"
  | "url_too_long"
  | "url_not_allowed"
  | "url_not_accessible"
  | "unsupported_content_type"
  | "content_too_large"
  | "unavailable";

export type Download =
  | { problem: FetchProblem; message: string }
  | { url: URL; format: Format; charset: string; bytes: Uint8Array };

export type Format = "html" | "pdf" | "text";

export const problem = (problem: FetchProblem, message: string) => ({ problem, message });

const headers = {
  accept: "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, text/plain;q=0.8, */*;q=0.5",
  "accept-language": "en, *;q=0.5",
  "user-agent": "Drover (web_fetch)",
};

/** Gets a page. Rejects when the signal says so; whatever else goes wrong is in the answer. */
export async function download(
  first: URL,
  rules: DomainRules,
  guard: Guard,
  signal: AbortSignal,
): Promise<Download> {
  let url = first;
  for (let redirects = 0; redirects <= limits.web_redirects_max; redirects += 1) {
    const refusal = mayVisit(rules, url) ? guard.problemOf(url) : `the agent may not visit ${url.hostname}`;
    if (refusal !== null) return problem("url_not_allowed", refusal);
    try {
      const response = await guard.fetch(url, { headers, redirect: "manual", signal });
      const location = response.status >= 300 && response.status < 400 && response.headers.get("location");
      if (!location) return await received(response, url);
      await response.body?.cancel();
      if (!URL.canParse(location, url.href)) {
        return problem("url_not_accessible", `${url.host} answers with a redirect that is not a URL`);
      }
      url = new URL(location, url);
    } catch (error) {
      signal.throwIfAborted();
      const refused = refusalIn(error);
      return refused === null
        ? problem("url_not_accessible", `${url.host}: ${reasonOf(error)}`)
        : problem("url_not_allowed", refused);
    }
  }
  return problem("url_not_accessible", `there are more than ${limits.web_redirects_max} redirects`);
}

async function received(response: Response, url: URL): Promise<Download> {
  if (!response.ok) {
    await response.body?.cancel();
    return problem(
      "url_not_accessible",
      `${url.host} answers ${response.status} ${response.statusText}`.trim(),
    );
  }
  const [type = "", ...parameters] = (response.headers.get("content-type") ?? "").toLowerCase().split(";");
  const [, charset = ""] = /charset\s*=\s*"?([^\s";]+)/.exec(parameters.join(";")) ?? [];
  const named = formatOf(type.trim());
  if (named === "other") {
    await response.body?.cancel();
    return problem("unsupported_content_type", `${type.trim()} cannot be read as text`);
  }
  const { bytes, whole } = await bodyOf(response);
  const found = named === null || named === "text" ? sniffed(bytes, charset) : named;
  if (found === null) return problem("unsupported_content_type", "what is there cannot be read as text");
  const format = named ?? found;
  if (!whole && format !== "text") {
    return problem("content_too_large", `it has more than ${limits.web_page_bytes_max >> 20} MiB`);
  }
  return { url, format, charset, bytes };
}

/** Null: the type says nothing. */
function formatOf(type: string): Format | "other" | null {
  if (type === "text/html" || type === "application/xhtml+xml") return "html";
  if (type === "application/pdf" || type === "application/x-pdf") return "pdf";
  if (/^text\/|[/+](json|xml|yaml|x-yaml|toml|javascript|x-ndjson|graphql|sql|x-sh)$/.test(type))
    return "text";
  return ["", "application/octet-stream", "binary/octet-stream"].includes(type) ? null : "other";
}

/** Null for what is no text. */
function sniffed(bytes: Uint8Array, charset: string): Format | null {
  const head = decoded(bytes.subarray(0, 1_024), [charset]);
  if (head.startsWith("%PDF-")) return "pdf";
  if (head.includes("\0")) return null;
  return /^\s*(<!doctype html|<html)/i.test(head) ? "html" : "text";
}

/** As much as is taken; the rest is not waited for. */
async function bodyOf({ body }: Response): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (body) {
    for await (const chunk of body) {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (length > limits.web_page_bytes_max) {
        return { bytes: Buffer.concat(chunks).subarray(0, limits.web_page_bytes_max), whole: false };
      }
    }
  }
  return { bytes: Buffer.concat(chunks), whole: true };
}

/** The innermost cause: what a library puts around it says nothing. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  if (reason instanceof AggregateError) reason = reason.errors[0];
  return reason instanceof Error ? reason.message : String(reason);
}
