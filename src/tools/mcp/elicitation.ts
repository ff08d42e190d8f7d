import { z } from "zod";

const text = z.object({ type: z.literal("string"), default: z.string() });
const number = z.object({ type: z.enum(["number", "integer"]), default: z.number() });
const choice = z.object({ type: z.literal("boolean"), default: z.boolean() });
const choices = z.object({ type: z.literal("array"), default: z.array(z.string()) });
const withDefault = z.discriminatedUnion("type", [text, number, choice, choices]);

const form = z.object({
  mode: z.literal("form").optional(),
  requestedSchema: z.object({
    type: z.literal("object"),
    properties: z.record(z.string(), z.unknown()),
    required: z.array(z.string()).optional(),
  }),
});

export type ElicitationAnswer =
  | { action: "decline" }
  | { action: "accept"; content: Record<string, unknown> };

/**
 * Sends a form back as it was proposed: each field with its default, the others left out. What needs an answer that is not
 * proposed, or wants a page to be opened, is declined. The server learns nothing from it that it did not say itself.
 */
export function answerWithDefaults(params: unknown): ElicitationAnswer {
  const asked = form.safeParse(params);
  if (!asked.success) return { action: "decline" };
  const { properties, required = [] } = asked.data.requestedSchema;
  const content = new Map<string, unknown>();
  for (const [name, field] of Object.entries(properties)) {
    const proposed = withDefault.safeParse(field);
    if (proposed.success) content.set(name, proposed.data.default);
  }
  return required.every((name) => content.has(name))
    ? { action: "accept", content: Object.fromEntries(content) }
    : { action: "decline" };
}
