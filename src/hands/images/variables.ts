import { limits } from "../../limits.ts";

const name = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;

/** Of an image's `NAME=value` those that a program can be given. */
export function variablesIn(env: readonly string[]): Record<string, string> {
  const pairs = env.map(
    (each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)] as const,
  );
  const usable = pairs.filter(
    ([key, value]) =>
      name.test(key) && !value.includes("\0") && value.length <= limits.image_variable_chars_max,
  );
  return Object.fromEntries(usable.slice(0, limits.image_variables_max));
}
