import { z } from "zod";

/** HTTP status of each error type of the API. */
export const errorStatus = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
} as const;

export type ErrorType = keyof typeof errorStatus;

export const errorBody = z.object({
  type: z.literal("error"),
  error: z.object({
    type: z.string(),
    message: z.string(),
    details: z.object({ error_code: z.string() }).loose().optional(),
  }),
  request_id: z.string(),
});
export type ErrorBody = z.infer<typeof errorBody>;

export interface ErrorOptions {
  /** Goes to `error.details.error_code`, from which the SDK picks its typed class. */
  code?: string;
  details?: Record<string, unknown>;
  /** HTTP status, where it is not the usual one of the type. */
  status?: number;
  headers?: Record<string, string>;
  cause?: unknown;
}

/** An error with an answer: thrown anywhere below a route, turned into the envelope in `api/errors.ts`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly type: ErrorType;
  readonly status: number;
  readonly details: Record<string, unknown> | undefined;
  readonly headers: Record<string, string>;

  constructor(type: ErrorType, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.type = type;
    this.status = options.status ?? errorStatus[type];
    this.details = options.code ? { error_code: options.code, ...options.details } : options.details;
    this.headers = options.headers ?? {};
  }
}

export const invalid = (message: string, options?: ErrorOptions) =>
  new ApiError("invalid_request_error", message, options);

export const notFound = (message: string, options?: ErrorOptions) =>
  new ApiError("not_found_error", message, options);

/** A 409 that a retry cannot cure: without the header the SDK would try it twice more. */
export const conflict = (message: string, options: ErrorOptions = {}) =>
  new ApiError("conflict_error", message, {
    ...options,
    headers: { "x-should-retry": "false", ...options.headers },
  });
