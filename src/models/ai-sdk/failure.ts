import { AISDKError, APICallError } from "@ai-sdk/provider";
import { z } from "zod";
import { retryAfterOf } from "../../net/retry-after.ts";
import { brokenFailure } from "../broken.ts";
import { hintOf } from "../hints.ts";
import { parsedJson } from "../json.ts";
import type { ModelFailure } from "../model.ts";
import { saysTooLong } from "../too-long.ts";
import { ErrorInStream } from "./answer.ts";

type Kind = ModelFailure["kind"];

/** How vendors write an error, all fields taken together. */
const vendorError = z.object({
  message: z.string(),
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
  status: z.union([z.string(), z.number()]).nullish(),
  statusCode: z.number().nullish(),
  details: z.array(z.looseObject({ retryDelay: z.string().nullish() })).nullish(),
});
type VendorError = z.infer<typeof vendorError>;

interface Report {
  status: number | null;
  error: VendorError;
  header(name: string): string | undefined;
}

/** The one place where what a provider, its SDK or the network did becomes a failure. */
export function failureOf(error: unknown, provider: string): ModelFailure {
  const report = reportOf(error);
  if (report === null) {
    if (!isOurs(error)) return brokenFailure(provider, error);
    const message = `The provider "${provider}" cannot be asked this: ${error.message}`;
    return { kind: "rejected", message, retryable: false, retry_after_ms: null };
  }
  const kind = kindOf(report);
  const transient = kind === "overloaded" || kind === "rate_limited" || kind === "unavailable";
  return {
    kind,
    message: messageOf(report, kind, provider),
    retryable: transient && report.header("x-should-retry") !== "false",
    retry_after_ms: retryAfterOf(report.header) ?? delayIn(report.error),
  };
}

/** Null: the provider has said nothing. */
function reportOf(error: unknown): Report | null {
  if (APICallError.isInstance(error)) {
    const { statusCode, responseHeaders = {}, responseBody } = error;
    if (statusCode === undefined || statusCode < 400) return null;
    const told = errorIn(parsedJson(responseBody ?? "")) ?? { message: error.message };
    return { status: statusCode, error: told, header: (name) => responseHeaders[name] };
  }
  if (!(error instanceof ErrorInStream)) return null;
  const told = errorIn(error.cause) ?? errorIn((error.cause as { value?: unknown } | null)?.value);
  return told && { status: statusIn(told), error: told, header: () => undefined };
}

/** Some send it as it is, some within `error` or `response`, Google in a list. */
function errorIn(value: unknown): VendorError | null {
  if (typeof value === "string") return { message: value };
  if (Array.isArray(value)) return errorIn(value[0]);
  // The SDK's own errors have a message too, which is none of the provider's.
  if (typeof value !== "object" || value === null || value instanceof Error) return null;
  const { error, response } = value as { error?: unknown; response?: unknown };
  if (error !== undefined) return errorIn(error);
  if (response !== undefined) return errorIn(response);
  return vendorError.safeParse(value).data ?? null;
}

/** Within a stream there is no status, but most vendors say one. */
function statusIn({ statusCode, code, status }: VendorError): number | null {
  const said = [statusCode, code, status].map(Number).find((value) => value >= 400 && value <= 599);
  return said ?? null;
}

const kindOfWord: [RegExp, Kind][] = [
  [/insufficient_quota|billing|payment/, "billing"],
  [/overloaded|unavailable/, "overloaded"],
  [/rate_limit|too_many|resource_exhausted|quota/, "rate_limited"],
  [/api_key|authentication|unauthenticated|permission/, "authentication"],
  [/model_not_found|not_found/, "not_configured"],
  [/invalid|context_length|failed_precondition|too_large/, "rejected"],
];

function kindOf({ status, error }: Report): Kind {
  const words = [error.code, error.type, error.status, ...reasonsIn(error)].join(" ").toLowerCase();
  const byWord = kindOfWord.find(([pattern]) => pattern.test(words))?.[1];
  if (status === 402 || byWord === "billing") return "billing";
  if (status === 429) return "rate_limited";
  if (status === 529 || status === 503) return "overloaded";
  if (status === 401 || status === 403) return "authentication";
  if (status === 404) return "not_configured";
  const tooLong = saysTooLong(error.code, error.message);
  if (status === 413 || (status === 400 && tooLong)) return "too_long";
  if (status === 400) return byWord === "authentication" ? byWord : "rejected";
  if (status === 408 || status === 409) return "unavailable";
  if (status !== null) return status >= 500 ? "unavailable" : "rejected";
  if (byWord === "rejected" && tooLong) return "too_long";
  return byWord ?? "unavailable";
}

/** Google says there what is wrong with a key. */
const reasonsIn = ({ details }: VendorError) => (details ?? []).map((detail) => detail.reason ?? "");

function messageOf({ status, error }: Report, kind: Kind, provider: string): string {
  const about = [...new Set([status, error.type, error.code])].filter((part) => part).join(", ");
  return `The provider "${provider}" answered: ${error.message}${about === "" ? "" : ` (${about})`}${hintOf(kind, provider)}`;
}

/** Google's way: "34s" or "1.5s". In `ms`. */
function delayIn({ details }: VendorError): number | null {
  const delay = details?.find((detail) => detail.retryDelay)?.retryDelay;
  const seconds = Number.parseFloat(delay ?? "");
  return Number.isNaN(seconds) ? null : seconds * 1_000;
}

/** The SDK refuses to send something before it asks anybody. */
const isOurs = (error: unknown): error is AISDKError =>
  AISDKError.isInstance(error) &&
  /UnsupportedFunctionality|InvalidArgument|InvalidPrompt|LoadSetting|LoadAPIKey/.test(error.name);
