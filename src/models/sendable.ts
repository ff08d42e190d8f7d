import type { AssistantBlock } from "./model.ts";

/** What every provider wants of the text it is sent. */

export const hasText = (text: string) => text.trim() !== "";

/** A model may call what nobody has offered it; providers refuse a request with a name that no tool could have. */
export const toolName = (name: string): string =>
  name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 128) || "unnamed";

/** An answer that was cut while it thought: providers refuse a message that ends so. */
export function withoutLastThoughts(content: AssistantBlock[]): AssistantBlock[] {
  const last = content.findLastIndex(
    (block) => block.type === "tool_use" || (block.type === "text" && hasText(block.text)),
  );
  return content.slice(0, last + 1);
}

/** Providers refuse a body with half a surrogate pair in it. */
export function wellFormed<T>(value: T): T {
  return repaired(value) as T;
}

function repaired(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(repaired);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.toWellFormed(), repaired(inner)]),
  );
}
