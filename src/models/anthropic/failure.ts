import { APIConnectionError, APIError } from "@anthropic-ai/sdk/core/error";
import { retryAfterOf } from "../../net/retry-after.ts";
import { brokenFailure } from "../broken.ts";
import { hintOf } from "../hints.ts";
import type { ModelFailure } from "../model.ts";
import { saysTooLong } from "../too-long.ts";

type Kind = ModelFailure["kind"];

const kindOfType: Record<string, Kind> = {
  overloaded_error: "overloaded",
  rate_limit_error: "rate_limited",
  api_error: "unavailable",
  timeout_error: "unavailable",
  billing_error: "billing",
  authentication_error: "authentication",
  permission_error: "authentication",
  invalid_request_error: "rejected",
  not_found_error: "not_configured",
  request_too_large: "too_long",
};

/** The one place where what an upstream or the network did becomes a failure. */
export function failureOf(error: unknown, provider: string): ModelFailure {
  if (error instanceof APIError && !(error instanceof APIConnectionError)) {
    return failureOfAnswer(error, provider);
  }
  return brokenFailure(provider, error);
}

function failureOfAnswer(error: APIError, provider: string): ModelFailure {
  const kind = kindOf(error);
  const transient = kind === "overloaded" || kind === "rate_limited" || kind === "unavailable";
  return {
    kind,
    message: answerMessage(error, kind, provider),
    retryable: transient && error.headers?.get("x-should-retry") !== "false",
    retry_after_ms: retryAfterOf((name) => error.headers?.get(name)),
  };
}

/**
 * The status rules, but for a billing error, which comes with several. Within a stream there is only the type, and a
 * gateway's 502 says less than it.
 */
function kindOf(error: APIError): Kind {
  const { status, type } = error;
  if (status === undefined || status === 502) return kindOfType[type ?? ""] ?? "unavailable";
  if (type === "billing_error" || status === 402) return "billing";
  if (status === 429) return "rate_limited";
  if (status === 529 || type === "overloaded_error") return "overloaded";
  if (status === 401 || status === 403) return "authentication";
  if (status === 404) return "not_configured";
  if (status === 413 || (status === 400 && saysTooLong(error.message))) return "too_long";
  if (status === 408 || status === 409 || status >= 500) return "unavailable";
  return "rejected";
}

function answerMessage(error: APIError, kind: Kind, provider: string): string {
  const what = error.apiMessage ?? error.message;
  const about = [error.status, error.type, error.requestID].filter((part) => part).join(", ");
  return `The provider "${provider}" answered: ${what}${about === "" ? "" : ` (${about})`}${hintOf(kind, provider)}`;
}
