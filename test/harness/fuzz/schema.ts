/** As much of JSON Schema as the OpenAPI document of the routes uses. */
export interface Schema {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/** Whether a value is one that the document allows. What it leaves open counts as allowed. */
export function fits(schema: Schema, value: unknown): boolean {
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches && !branches.some((branch) => fits(branch, value))) return false;
  if ("const" in schema && value !== schema.const) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) return false;
  if (typeof value === "string") return stringFits(schema, value);
  if (typeof value === "number") return numberFits(schema, value);
  if (Array.isArray(value)) return listFits(schema, value);
  return typeof value !== "object" || value === null || objectFits(schema, value);
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "number") return Number.isFinite(value);
  return typeof value === type;
}

const stringFits = (
  { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: Schema,
  value: string,
) => value.length >= minLength && value.length <= maxLength && (!pattern || new RegExp(pattern).test(value));

const numberFits = (schema: Schema, value: number) =>
  value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) &&
  value <= (schema.maximum ?? Number.POSITIVE_INFINITY) &&
  (schema.exclusiveMinimum === undefined || value > schema.exclusiveMinimum) &&
  (schema.exclusiveMaximum === undefined || value < schema.exclusiveMaximum);

const listFits = (
  { items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Schema,
  list: unknown[],
) => list.length >= minItems && list.length <= maxItems && list.every((item) => fits(items, item));

function objectFits(schema: Schema, value: object): boolean {
  const { properties = {}, required = [], additionalProperties = true, propertyNames = {} } = schema;
  if (!required.every((key) => Object.hasOwn(value, key))) return false;
  return Object.entries(value).every(([key, inner]) => {
    const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    return fits(propertyNames, key) && (typeof own === "object" ? fits(own, inner) : own !== false);
  });
}
