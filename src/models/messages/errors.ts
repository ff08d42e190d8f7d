import { ApiError, type ErrorType, errorStatus } from "../../protocol/errors.ts";
import { brief } from "../loggable.ts";
import type { ModelFailure } from "../model.ts";

/**
 * Why no message comes, in the API's own words. What is wrong between this server and the provider, a key above all, is
 * not the client's fault, and asking again does not help.
 */
export function apiErrorOf({ kind, message, retryable, retry_after_ms }: ModelFailure): ApiError {
  const headers: Record<string, string> = retryable ? {} : { "x-should-retry": "false" };
  if (retryable && retry_after_ms !== null)
    headers["retry-after"] = String(Math.ceil(retry_after_ms / 1_000));
  switch (kind) {
    case "overloaded":
      return new ApiError("overloaded_error", message, { headers });
    case "rate_limited":
      return new ApiError("rate_limit_error", message, { headers });
    case "billing":
      return new ApiError("billing_error", message, { headers });
    case "rejected":
    case "too_long":
      return new ApiError("invalid_request_error", message, { headers });
    case "not_configured":
      return new ApiError("not_found_error", message, { headers });
    case "unavailable":
    case "authentication":
      return new ApiError("api_error", message, { status: 502, headers });
  }
}

/** What an upstream of the same API says of the request itself is said to the client as it is. */
export function upstreamError(status: number, body: unknown, failure: ModelFailure): ApiError {
  const { kind } = failure;
  const { error } = (body ?? {}) as { error?: { type?: unknown; message?: unknown; details?: unknown } };
  const type = Object.keys(errorStatus).find((known): known is ErrorType => known === error?.type);
  const ofRequest = kind === "rejected" || kind === "too_long" || kind === "not_configured";
  if (!ofRequest || type === undefined || typeof error?.message !== "string") return apiErrorOf(failure);
  const isObject = typeof error.details === "object" && error.details !== null;
  return new ApiError(type, brief(error.message), {
    // What an error came with that was not sent as one, or that a gateway made of it, says less than its type.
    ...(status !== 502 && { status }),
    ...(isObject && { details: error.details as Record<string, unknown> }),
  });
}

/** Why an answer ends that nobody waits for any longer, or that the server has no more time for. */
export const endedBy = ({ reason }: AbortSignal): ApiError =>
  reason instanceof ApiError ? reason : new ApiError("api_error", "the client has left", { status: 499 });

/** Nobody could run the tool with what the model wrote. */
export const malformedCall = (name: string): ApiError =>
  new ApiError("api_error", `the model called ${name} with arguments that are not a JSON object; ask again`, {
    status: 502,
  });
