/** Texts of which nobody promises that they are JSON. */

/** Undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Null where it is none, or another value. */
export function jsonObject(text: string): Record<string, unknown> | null {
  const value = parsedJson(text);
  return isObject(value) ? value : null;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
