import { DatabaseUnavailable } from "../db/errors.ts";
import { FileStoreAway, FileStoreFull } from "../files/store.ts";
import { ApiError } from "../protocol/errors.ts";
import { jsonHeaders } from "./json.ts";

export interface Log {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Failure {
  method: string;
  path: string;
  /** Whether it can be sent again without being done twice. */
  repeatable: boolean;
  /** Go with the answer. */
  headers: { "request-id": string };
}

/** The one place that turns an error into an answer. What a client cannot cure is logged and not shown. */
export function errorResponse(error: unknown, failure: Failure, log: Log): Response {
  const requestId = failure.headers["request-id"];
  const shown = presentable(error, failure.repeatable);
  if (shown !== error) {
    const fields = { err: error, request_id: requestId, method: failure.method, path: failure.path };
    if (shown.status === 503) log.warn(fields, "request refused: the database or the file store is away");
    else log.error(fields, "request failed");
  }
  const body = {
    type: "error",
    error: {
      type: shown.type,
      message: shown.message,
      ...(shown.details && { details: shown.details }),
    },
    request_id: requestId,
  };
  return new Response(JSON.stringify(body), {
    status: shown.status,
    headers: { ...jsonHeaders, ...failure.headers, ...shown.headers },
  });
}

function presentable(error: unknown, repeatable: boolean): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DatabaseUnavailable && error.mayHaveRun && !repeatable) {
    // Clients repeat a 503 by themselves, and what was written would be there twice.
    return new ApiError(
      "api_error",
      "the database went away before it answered: this may or may not have been done; look before you repeat it",
      { status: 503, headers: { "x-should-retry": "false" }, cause: error },
    );
  }
  if (error instanceof DatabaseUnavailable) {
    return new ApiError("api_error", "the database is away for the moment; try again", {
      status: 503,
      headers: { "retry-after": "1" },
      cause: error,
    });
  }
  if (error instanceof FileStoreFull) {
    // Clients repeat a 507 by themselves, with all that they have just sent.
    return new ApiError(
      "api_error",
      "the file store of this server is full, and nothing was kept: delete files, or ask whoever runs it for more room",
      { status: 507, headers: { "x-should-retry": "false" }, cause: error },
    );
  }
  if (error instanceof FileStoreAway) {
    return new ApiError(
      "api_error",
      "the file store is away for the moment, and nothing was kept; try again",
      {
        status: 503,
        headers: { "retry-after": "1" },
        cause: error,
      },
    );
  }
  return new ApiError("api_error", "internal error; the server's log says more under this request id");
}
