import { limits } from "../../limits.ts";
import { hidesCharacters, withoutHidden } from "./hidden.ts";

type Schema = Record<string, unknown>;

/**
 * Why no model could be given a tool with this input schema, as the end of a sentence that begins with "a schema that"; null
 * where it can. Vendors refuse a whole request for one schema that is none in JSON Schema 2020-12.
 */
export function schemaProblem(schema: unknown): string | null {
  if (!isObject(schema) || schema.type !== "object") return "is not of the type object";
  if (isDeep(schema)) return `is nested deeper than ${limits.mcp_schema_depth_max} levels`;
  if (JSON.stringify(schema).length > limits.mcp_schema_chars_max)
    return `has more than ${limits.mcp_schema_chars_max} characters`;
  const names = isObject(schema.properties) ? Object.keys(schema.properties) : [];
  const odd = names.find((name) => !/^[A-Za-z0-9_.-]{1,64}$/.test(name));
  if (odd !== undefined) return "has a property whose name is not 1 to 64 letters, digits, _, . or -";
  return problemIn(schema, schema);
}

/**
 * As a model is given it: without what only machines read of it, or people cannot. Alternatives at the top, which vendors
 * refuse there, are said in words.
 */
export function shownSchema(schema: Schema): { input_schema: Schema; said: string } {
  const { $schema: _, $id: _id, oneOf, anyOf, allOf, ...rest } = schema;
  const alternatives = Object.entries({ oneOf, anyOf, allOf }).filter(([, value]) => value !== undefined);
  const said =
    alternatives.length === 0
      ? ""
      : `The input must also satisfy this JSON Schema: ${JSON.stringify(cleaned(Object.fromEntries(alternatives)))}`;
  const input_schema = cleaned(rest) as Schema;
  return { input_schema: { ...input_schema, properties: input_schema.properties ?? {} }, said };
}

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Without recursion: what is looked at may be deep enough to overflow a stack. */
function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limits.mcp_schema_depth_max) return true;
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? Object.values(item) : ([] as unknown[]),
    );
  }
  return false;
}

const types = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const isText = (value: unknown) => typeof value === "string";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isAnchor = (value: unknown) => typeof value === "string" && /^[A-Za-z_][-A-Za-z0-9._]*$/.test(value);
const areTexts = (value: unknown) =>
  Array.isArray(value) && value.every(isText) && new Set(value).size === value.length;

/** What a keyword's value must be, where it is not a schema. */
const plain: Record<string, (value: unknown) => boolean> = {
  type: (value) =>
    [value].flat().length > 0 &&
    areTexts([value].flat()) &&
    [value].flat().every((one) => types.has(one as string)),
  enum: (value) => Array.isArray(value) && value.length > 0,
  required: areTexts,
  title: isText,
  description: isText,
  format: isText,
  pattern: (value) => typeof value === "string" && isPattern(value),
  minimum: isNumber,
  maximum: isNumber,
  exclusiveMinimum: isNumber,
  exclusiveMaximum: isNumber,
  multipleOf: (value) => isNumber(value) && (value as number) > 0,
  minLength: isCount,
  maxLength: isCount,
  minItems: isCount,
  maxItems: isCount,
  minProperties: isCount,
  maxProperties: isCount,
  uniqueItems: isBoolean,
  deprecated: isBoolean,
  readOnly: isBoolean,
  writeOnly: isBoolean,
  minContains: isCount,
  maxContains: isCount,
  examples: Array.isArray,
  dependentRequired: (value) => isObject(value) && Object.values(value).every(areTexts),
  contentEncoding: isText,
  contentMediaType: isText,
  $schema: isText,
  $comment: isText,
  $id: (value) => typeof value === "string" && /^[^#]*#?$/.test(value),
  $anchor: isAnchor,
  $dynamicAnchor: isAnchor,
  $vocabulary: (value) => isObject(value) && Object.values(value).every(isBoolean),
  // They lead to wherever they were begun from.
  $dynamicRef: () => false,
  $recursiveRef: () => false,
};
const oneSchema = [
  ...["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"],
  ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
];
const someSchemas = ["anyOf", "oneOf", "allOf", "prefixItems"];
const namedSchemas = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

function problemIn(schema: unknown, root: Schema): string | null {
  if (typeof schema === "boolean") return null;
  if (!isObject(schema)) return "holds something that is no schema";
  for (const [key, value] of Object.entries(schema)) {
    if (hidesCharacters(key)) return "hides characters";
    const problem = problemOf(key, value, root);
    if (problem !== null) return problem;
  }
  return null;
}

function problemOf(key: string, value: unknown, root: Schema): string | null {
  const bad = `has a wrong "${key}"`;
  const all = (schemas: unknown[]) =>
    schemas.reduce<string | null>((found, one) => found ?? problemIn(one, root), null);
  if (key === "$ref")
    return typeof value === "string" && isDefined(value, root) ? null : `has a "$ref" that leads nowhere`;
  if (Object.hasOwn(plain, key)) {
    if (!plain[key]?.(value)) return bad;
    return key === "description" || key === "title" || !hides(value) ? null : "hides characters";
  }
  if (oneSchema.includes(key)) return problemIn(value, root);
  if (someSchemas.includes(key)) return Array.isArray(value) && value.length > 0 ? all(value) : bad;
  if (namedSchemas.includes(key)) {
    if (!isObject(value)) return bad;
    if (key === "patternProperties" && !Object.keys(value).every(isPattern)) return bad;
    return Object.keys(value).some(hidesCharacters) ? "hides characters" : all(Object.values(value));
  }
  if (key === "dependencies") {
    if (!isObject(value)) return bad;
    return all(Object.values(value).filter((one) => !areTexts(one)));
  }
  return hides(value) ? "hides characters" : null;
}

function hides(value: unknown): boolean {
  if (typeof value === "string") return hidesCharacters(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => hidesCharacters(key) || hides(inner));
}

/** One within what is shown of the schema itself: no server has another one fetched. */
function isDefined(reference: string, root: Schema): boolean {
  if (reference !== "#" && !reference.startsWith("#/")) return false;
  if (/^#\/(oneOf|anyOf|allOf)(\/|$)/.test(reference)) return false;
  let found: unknown = root;
  for (const part of reference.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return false;
    found = (found as Schema)[key];
  }
  return true;
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, "u");
    return true;
  } catch {
    return false;
  }
}

/** What is said to whoever reads a schema says it openly. */
function cleaned(value: unknown, key = ""): unknown {
  if (typeof value === "string")
    return key === "description" || key === "title" ? withoutHidden(value) : value;
  if (Array.isArray(value)) return value.map((item) => cleaned(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cleaned(inner, name)]));
}
