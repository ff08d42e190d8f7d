import { limits } from "../../limits.ts";
import type { ModelMessage, ToolResultBlock } from "../../models/model.ts";
import { builtInTools, type UrlSources } from "../../protocol/tools.ts";

/** The conversation that a call is made in. */
export interface Conversation {
  /** What the user has written, and nobody else. */
  user_texts: readonly string[];
  messages: readonly ModelMessage[];
}

type ToolFilter = UrlSources["server_tool_results"];

/** Whether one of the sources has shown the model this URL. What failed shows nothing: it may quote what was asked for. */
export function isFromSources(url: URL, sources: UrlSources, conversation: Conversation): boolean {
  const wanted = withoutFragment(url);
  const shows = (text: string) => urlsIn(text).has(wanted);
  if (sources.user_input?.type !== "none" && conversation.user_texts.some(shows)) return true;
  return resultsOf(conversation).some(
    ({ name, result }) => contributes(name, sources) && !result.is_error && textsOf(result).some(shows),
  );
}

/** Tools of the server that run in the sandbox contribute nothing: what they print, the model may have written. */
function contributes(name: string, sources: UrlSources): boolean {
  if (name === "web_search" || name === "web_fetch") return passes(sources.server_tool_results, name);
  if (builtInTools.some((tool) => tool === name)) return false;
  return passes(sources.client_tool_results, name);
}

function passes(filter: ToolFilter, name: string): boolean {
  const isNamed = (tools: { name: string }[]) => tools.some((tool) => tool.name === name);
  switch (filter?.type) {
    case undefined:
    case "all":
      return true;
    case "none":
      return false;
    case "only":
      return isNamed(filter.tools);
    case "except":
      return !isNamed(filter.tools);
  }
}

function resultsOf({ messages }: Conversation): { name: string; result: ToolResultBlock }[] {
  const names = new Map<string, string>();
  const results: { name: string; result: ToolResultBlock }[] = [];
  for (const { content } of messages) {
    for (const block of content) {
      if (block.type === "tool_use") names.set(block.id, block.name);
      if (block.type !== "tool_result") continue;
      const name = names.get(block.tool_use_id);
      if (name !== undefined) results.push({ name, result: block });
    }
  }
  return results;
}

const textsOf = ({ content }: ToolResultBlock): string[] =>
  content.flatMap((block) => {
    if (block.type === "text") return [block.text];
    if (block.type === "search_result") return [block.source, block.title, ...block.content];
    return block.type === "document" && block.source.type === "text" ? [block.source.data] : [];
  });

/** Readings of one address in a text: it may be followed by what closes a sentence, a quotation or a link. */
const readings_max = 8;

/** The URLs in a text, in the form that `URL` gives them, without fragments. */
export function urlsIn(text: string): Set<string> {
  const found = new Set<string>();
  for (const [match] of text.matchAll(/https?:\/\/[^\s<>"`\\]+/gi)) {
    if (match.length > limits.web_url_chars_max + readings_max) continue;
    for (const start of [match, match.split(/[)\]}'|,;*]/, 1)[0] ?? ""]) {
      let reading = start;
      for (let i = 0; i < readings_max; i += 1) {
        if (URL.canParse(reading)) found.add(withoutFragment(new URL(reading)));
        if (!/[^\p{L}\p{N}/]$/u.test(reading)) break;
        reading = reading.slice(0, -1);
      }
    }
  }
  return found;
}

function withoutFragment(url: URL): string {
  const copy = new URL(url);
  copy.hash = "";
  return copy.href;
}
