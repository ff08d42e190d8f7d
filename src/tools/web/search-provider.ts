import { z } from "zod";
import { limits } from "../../limits.ts";

/** Whoever finds pages: one of these per search engine that can be configured. */
export interface SearchProvider {
  name: string;
  /** Rejects with `SearchFailed`, or when the signal says so. */
  search(query: SearchQuery, signal: AbortSignal): Promise<Found[]>;
}

export interface SearchQuery {
  text: string;
  location: UserLocation | null;
}

/** Where the user is, about. */
export interface UserLocation {
  city?: string | null;
  region?: string | null;
  country?: string | null;
  timezone?: string | null;
}

/** A page that was found. */
export interface Found {
  url: string;
  title: string;
  /** Passages of the page, or what is said of it. */
  texts: string[];
  /** When it was published or last changed, in the provider's words. */
  age: string | null;
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
    signal.throwIfAborted();
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
