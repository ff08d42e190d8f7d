import { z } from "zod";
import { limits } from "../../limits.ts";
import type { ModelUse } from "../../models/model.ts";
import type { FoundPage, SearchLocation } from "../../models/web-search.ts";
import type { DomainRules } from "./domains.ts";

/** Whoever finds pages: one of these per kind of search that can be configured. */
export interface SearchProvider {
  name: string;
  /** How long one search may take, in `ms`. */
  timeout_ms: number;
  /** Rejects with `SearchFailed`, or when the signal says so. */
  search(query: SearchQuery, signal: AbortSignal): Promise<SearchAnswer>;
}

export interface SearchQuery {
  text: string;
  rules: DomainRules;
  location: SearchLocation | null;
}

export type SearchAnswer = ({ found: FoundPage[] } | { problem: string }) & {
  /** What counts in the session's usage and cost. */
  web_searches: number;
  /** The model that was asked to search. */
  model_use?: ModelUse;
};

/** The text with the domain rules in the form that search engines take, as far as there is room for them. */
export function withOperators({ text, rules: { allowed_domains, blocked_domains } }: SearchQuery): string {
  const allowed = (allowed_domains ?? []).map((domain) => `site:${domain}`).join(" OR ");
  const blocked = (blocked_domains ?? []).map((domain) => `-site:${domain}`).join(" ");
  const whole = [text, allowed_domains && allowed_domains.length > 1 ? `(${allowed})` : allowed, blocked]
    .filter((part) => part !== "")
    .join(" ");
  return whole.length > limits.web_search_query_chars_max ? text : whole;
}

/** The results in an answer that are as the schema has them; engines that are asked through others send all sorts of things. */
export const resultsOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.array(z.unknown()).transform((results) =>
    results.flatMap((result) => {
      const parsed = schema.safeParse(result);
      return parsed.success ? [parsed.data] : [];
    }),
  );

/** The provider did not answer as it should; the message says what to do where that is known. */
export class SearchFailed extends Error {
  override readonly name = "SearchFailed";
}

/**
 * What a provider answers, as the schema has it. The administrator has said where it is, so it may be anywhere. `advice`
 * is for refusals, by HTTP status.
 */
export async function askProvider<Schema extends z.ZodType>(
  request: { url: URL; headers?: Record<string, string>; advice?: Record<number, string> },
  schema: Schema,
  signal: AbortSignal,
): Promise<z.infer<Schema>> {
  const { url, headers, advice = {} } = request;
  const fail = (why: string) => new SearchFailed(`${url.host} ${why}`);
  const response = await fetch(url, {
    headers: { accept: "application/json", ...headers },
    redirect: "error",
    signal,
  }).catch((error: unknown) => {
    const { cause } = error as Error;
    throw fail(`cannot be reached: ${cause instanceof Error ? cause.message : (error as Error).message}`);
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw fail(`answers ${response.status}${advice[response.status] ? `: ${advice[response.status]}` : ""}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > limits.web_search_answer_bytes_max) throw fail("answers more than any search should");
  }
  const parsed = schema.safeParse(jsonOf(Buffer.concat(chunks).toString()));
  if (!parsed.success) throw fail(`answers in a form that is not known:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
