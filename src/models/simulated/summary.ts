import type { ModelMessage } from "../model.ts";

/** The notes that the simulated model writes when a conversation outgrows its context, and what it reads from them later. */

const title = "Notes of the simulated model";

/** Of a conversation whose last text asks for them. */
export function notesOn(messages: readonly ModelMessage[]): string {
  const texts = messages.flatMap((message) => (message.role === "user" ? textsOf(message) : [])).slice(0, -1);
  const heard = texts.flatMap((text) => (isNotes(text) ? heardIn(text) : [text.split("\n")[0] ?? ""]));
  const said = [...new Set(heard)].map((line) => `- the user said: ${line}`);
  return [title, ...said, `- answered since then: ${answered(messages)}`].join("\n");
}

export const isNotes = (text: string) => text.includes(title);

const heardIn = (notes: string) =>
  [...notes.matchAll(/^- the user said: (.*)$/gm)].map(([, line = ""]) => line);

/** How many answers the script of a message had before the notes that stand with it. */
export const answeredBefore = (message: ModelMessage | undefined): number =>
  message === undefined || message.role !== "user"
    ? 0
    : textsOf(message).reduce((sum, text) => {
        const [, count = "0"] = (isNotes(text) && /^- answered since then: (\d+)$/m.exec(text)) || [];
        return sum + Number(count);
      }, 0);

/** The newest answer stays in the conversation when its calls have just been answered, so it is not counted. */
function answered(messages: readonly ModelMessage[]): number {
  const own = messages.slice(0, -1);
  const last = messages.at(-1);
  const asked = own.findLastIndex((message) => message.role === "user" && textsOf(message).length > 0);
  const isNew = last?.role === "user" && textsOf(last).length > 1;
  if (isNew && last.content.every(({ type }) => type !== "tool_result")) return 0;
  const since = own.slice(asked + 1).filter(({ role }) => role === "assistant").length;
  return Math.max(0, since - 1) + answeredBefore(own[asked]);
}

const textsOf = (message: ModelMessage): string[] =>
  message.content.flatMap((block) => (block.type === "text" ? [block.text] : []));
