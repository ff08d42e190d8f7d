import type { z } from "zod";
import { type ApiError, invalid } from "../protocol/errors.ts";
import { describe, type Problem, problemsOf } from "../protocol/problems.ts";

const problemsMax = 5;
const pathPartCharsMax = 100;

/** What a client sent, checked. Throws a 400 whose message names the path of each problem. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name: "body" | "query",
): z.infer<Schema> {
  const result = schema.safeParse(value, { error: describe });
  if (result.success) return result.data;
  throw refusal(result.error.issues.flatMap(problemsOf), name);
}

function refusal(problems: Problem[], name: string): ApiError {
  const texts = problems.slice(0, problemsMax).map(({ path, message }) => {
    const parts = path.map((part) => String(part).slice(0, pathPartCharsMax));
    return `${parts.join(".") || name}: ${message}`;
  });
  const metadataOnly = problems.every(({ path }) => path[0] === "metadata");
  return invalid(texts.join("; "), metadataOnly ? { code: "invalid_metadata" } : {});
}
