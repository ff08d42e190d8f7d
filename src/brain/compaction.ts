import { limits } from "../limits.ts";
import type { ContentBlock, ModelMessage, ModelRequest, ToolResultBlock } from "../models/model.ts";
import { blockTokens, chars_per_token, messagesTokens } from "../models/token-estimate.ts";
import { addSystemTexts, addUserBlocks } from "./conversation.ts";
import type { Thread } from "./state.ts";

/**
 * Making room in a model's context. Old large tool results go first, where that is enough; else the model sums up what
 * has happened, and the conversation goes on from the summary. Both begin a new prefix, so both are rare.
 */

const cleared = "[This result was cleared to make room. Make the call again if you need it.]";

/** The results to clear so that the thread takes less than `target` tokens; null when that does not suffice. */
export function clearable(thread: Thread, size: number, target: number): string[] | null {
  const old = thread.messages.slice(0, recentFrom(thread.messages));
  const results = old.flatMap((message) => (message.role === "user" ? message.content.filter(isLarge) : []));
  const freed = results.reduce((sum, block) => sum + blockTokens(block), 0);
  return size - freed <= target ? results.map((block) => block.tool_use_id) : null;
}

const isLarge = (block: ContentBlock | ToolResultBlock): block is ToolResultBlock =>
  block.type === "tool_result" && blockTokens(block) >= limits.clear_result_tokens_min;

/** Where the newest rounds of tool use begin, whose results the model still works with. */
function recentFrom(messages: ModelMessage[]): number {
  const users = messages.flatMap(({ role }, i) => (role === "user" ? [i] : []));
  return users.at(-limits.clear_rounds_kept) ?? 0;
}

/** What is left of the messages, and the tokens that went. Only old results go: some vendors give an id twice. */
export function withoutResults(
  messages: ModelMessage[],
  ids: readonly string[],
): { messages: ModelMessage[]; freed: number } {
  const recent = recentFrom(messages);
  let freed = 0;
  const left = messages.map((message, i): ModelMessage => {
    const isOld = message.role === "user" && i < recent;
    if (!isOld || !message.content.some((block) => isOneOf(block, ids))) return message;
    const content = message.content.map((block) => {
      if (block.type !== "tool_result" || !isOneOf(block, ids)) return block;
      freed += blockTokens(block);
      return { ...block, content: [{ type: "text" as const, text: cleared }] };
    });
    return { role: "user", content };
  });
  return { messages: left, freed };
}

const isOneOf = (block: ContentBlock | ToolResultBlock, ids: readonly string[]) =>
  block.type === "tool_result" && ids.includes(block.tool_use_id);

const instruction = `The conversation above is about to outgrow your context. Write the notes from which you yourself will go on, for nothing else of it will be left but the user's newest message, the system messages and the newest tool results. Do not call a tool and do not address the user. Cover, each under a heading of its own:
1. What the user asked for, in the user's own words where they matter, from the first request on, with every constraint and preference that still holds.
2. What was decided, and why; what was tried and did not work.
3. Files and other things that were read, made or changed, by their exact paths and names, with the state they are in.
4. Facts that were found out and will be needed: values, commands, errors, identifiers, to the letter.
5. What is open, and the very next step.
Earlier notes in the conversation are part of it: carry over whatever still holds.`;

/**
 * Asks for the summary. It extends the thread's newest request, so the cache holds most of it. Where the provider has said
 * that even that is too long, or the model has answered with calls or nothing, the conversation is told as text, without
 * tools: of `tokens` at most, halved as often as `shorter` says.
 */
export function summaryRequest(
  request: ModelRequest,
  { shorter, tokens }: { shorter: number; tokens: number },
): ModelRequest {
  const isWhole = shorter === 0 && request.attempt < limits.whole_summary_attempts;
  const text = () => told(request, tokens * chars_per_token, shorter);
  const messages: ModelMessage[] = isWhole
    ? [...request.messages]
    : [{ role: "user", content: [{ type: "text", text: text() }] }];
  addUserBlocks(messages, [{ type: "text", text: instruction }]);
  return { ...request, messages, tools: isWhole ? request.tools : [], purpose: "summary" };
}

/** Its beginning, which holds the first request or the notes before these, and more of its end. */
function told({ messages }: ModelRequest, chars: number, shorter: number): string {
  const text = messages
    .map(({ role, content }) => `${role}: ${content.map(inWords).join("\n")}`)
    .join("\n\n");
  const kept = Math.min(chars, text.length) / 2 ** shorter;
  return `The conversation, as far as there is room for it:\n\n${endsOf(text, kept)}`;
}

/** A quarter of what is kept is from the beginning. */
function endsOf(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const first = Math.floor(chars / 4);
  const last = Math.floor(chars) - first;
  return `${text.slice(0, first)}\n[What stood here was left out: there was no room for it.]\n${text.slice(-last)}`;
}

function inWords(block: ModelMessage["content"][number]): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "tool_use":
      return `[calls ${block.name} ${JSON.stringify(block.input)}]`;
    case "tool_result":
      return `[result: ${block.content.map(inWords).join("\n")}]`;
    case "search_result":
      return block.content.join("\n");
    default:
      return `[${block.type}]`;
  }
}

/**
 * The conversation that goes on from a summary. The user's newest message and all system text stay to the letter, and so
 * do calls whose results the model has not seen. What else is unanswered stays too, unless a summary that spared it has
 * not been enough, or could not be.
 */
export const compacted = (thread: Thread, summary: string): ModelMessage[] =>
  notesSuffice(thread) ? goneOn(thread, summary, tailOf(thread)) : squeezed(thread, summary);

/** Whether there are answers for a summary to stand for: right behind another one there are none. */
export const notesSuffice = (thread: Thread): boolean =>
  thread.messages.slice(0, tailFrom(thread)).some(({ role }) => role === "assistant");

/** Whether a summary makes the conversation shorter. */
export const isCompactable = (thread: Thread): boolean =>
  notesSuffice(thread) || messagesTokens(squeezed(thread, "")) < messagesTokens(thread.messages);

const squeezed = (thread: Thread, summary: string): ModelMessage[] =>
  goneOn(
    thread,
    summary,
    tailOf(thread).flatMap((message): ModelMessage[] => {
      if (message.role !== "user") return [message];
      const results = message.content.flatMap((block) =>
        block.type === "tool_result" ? [cutResult(block)] : [],
      );
      return results.length > 0 ? [{ role: "user", content: results }] : [];
    }),
  );

function cutResult(result: ToolResultBlock): ToolResultBlock {
  const text = result.content.map(inWords).join("\n");
  const chars = limits.squeezed_result_chars;
  const isSmall = text.length <= chars && blockTokens(result) <= chars / chars_per_token;
  return isSmall ? result : { ...result, content: [{ type: "text", text: endsOf(text, chars) }] };
}

function goneOn(thread: Thread, summary: string, tail: ModelMessage[]): ModelMessage[] {
  const tells = ({ role, content }: ModelMessage) =>
    role === "user" && content.some(({ type }) => type !== "tool_result");
  const first: ContentBlock = {
    type: "text",
    text: `Notes on the conversation so far, which was longer than there is room for:\n\n${summary}`,
  };
  const made: ModelMessage[] = [];
  addUserBlocks(made, [first, ...(tail.some(tells) ? [] : thread.newest_user)]);
  const kept = new Set(tail.filter(({ role }) => role === "system"));
  for (const message of thread.messages) if (!kept.has(message)) addSystem(made, message);
  for (const message of tail) {
    if (message.role === "system") addSystem(made, message);
    else if (message.role === "user") addUserBlocks(made, message.content);
    else made.push(message);
  }
  return made;
}

function addSystem(made: ModelMessage[], { role, content }: ModelMessage): void {
  if (role === "system")
    addSystemTexts(
      made,
      content.map(({ text }) => text),
    );
}

const tailOf = (thread: Thread): ModelMessage[] => thread.messages.slice(tailFrom(thread));

/** The newest answer when its calls were answered and it has not gone on, else what the user said after it. */
function tailFrom({ messages }: Thread): number {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const called = messages[last]?.content.some(({ type }) => type === "tool_use") ?? false;
  return called ? last : last + 1;
}
