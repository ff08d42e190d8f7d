import type { z } from "zod";

/** What is wrong with a value, in the words that API clients know: the console says the same before anything is sent. */

export interface Problem {
  path: PropertyKey[];
  message: string;
}

/** The problems of a value; none where the schema takes it. */
export function problemsWith(schema: z.ZodType, value: unknown): Problem[] {
  const { error } = schema.safeParse(value, { error: describe });
  return error ? error.issues.flatMap(problemsOf) : [];
}

const missing = "is required";

const nouns: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
  null: "null",
};
const noun = (expected: string) => nouns[expected] ?? expected;
const quoted = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join(", ");
const oneOf = (values: readonly unknown[]) =>
  values.length === 1 ? `must be ${quoted(values)}` : `must be one of ${quoted(values)}`;

/** Messages of the kind that API clients know, wherever a schema gives none of its own. */
export const describe: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? missing : `must be ${noun(issue.expected)}`;
    case "invalid_value":
      return issue.input === undefined ? missing : oneOf(issue.values);
    case "invalid_union":
      return "options" in issue && Array.isArray(issue.options) ? oneOf(issue.options) : undefined;
    case "invalid_key":
      return `is not a valid key: ${issue.issues[0]?.message}`;
    case "too_small":
      if (issue.origin === "string") return `minimum string length is ${issue.minimum}`;
      if (issue.origin === "array") return `minimum array length is ${issue.minimum}`;
      return `must be at least ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "string") return `maximum string length is ${issue.maximum}`;
      if (issue.origin === "array") return `maximum array length is ${issue.maximum}`;
      return `must be at most ${issue.maximum}`;
    case "invalid_format":
      return `must be valid ${issue.format}`;
    default:
      return undefined;
  }
};

/** What other servers take secrets in. Here none is part of a session, an agent or an environment. */
const secretFields = new Set([
  ...["secret", "secrets", "sandbox", "environment_variables", "env_vars", "env", "credentials"],
  // Of an MCP server.
  ...["authorization_token", "headers"],
]);
const unknown = (field: string) =>
  secretFields.has(field)
    ? "unknown field; a secret becomes a credential of a vault, and the session names the vault in vault_ids"
    : "unknown field";

export function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: unknown(key) }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    return branchProblems(issue.errors).map(({ path, message }) => ({
      path: [...issue.path, ...path],
      message,
    }));
  }
  return [issue];
}

/** Of a union's branches, the one that was meant: its value has the right type. */
function branchProblems(branches: z.core.$ZodIssue[][]): Problem[] {
  const expected: string[] = [];
  for (const branch of branches) {
    const wrongType = branch.find((issue) => issue.path.length === 0 && issue.code === "invalid_type");
    if (wrongType?.code !== "invalid_type") return branch.flatMap(problemsOf);
    if (wrongType.message === missing) return [{ path: [], message: missing }];
    expected.push(noun(wrongType.expected));
  }
  return [{ path: [], message: `must be ${[...new Set(expected)].join(" or ")}` }];
}
