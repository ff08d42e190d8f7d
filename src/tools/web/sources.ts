import { limits } from "../../limits.ts";
import type { ModelMessage, ToolResultBlock } from "../../models/model.ts";
import { builtInTools, type UrlSources } from "../../protocol/tools.ts";

/** The conversation that a call is made in. */
export interface Conversation {
  /** What the user has written, and nobody else. */
  user_texts: readonly string[];
  messages: readonly ModelMessage[];
  /** What results have shown that are not in the messages any more. */
  shown_urls: readonly ShownUrl[];
}

/** A URL in the form that `urlsIn` gives it, and the tool whose result has shown it. */
export interface ShownUrl {
  tool: string;
  url: string;
}

type ToolFilter = UrlSources["server_tool_results"];

/** Whether one of the sources has shown the model this URL. What failed shows nothing: it may quote what was asked for. */
export function isFromSources(url: URL, sources: UrlSources, conversation: Conversation): boolean {
  const wanted = withoutFragment(url);
  const shows = (text: string) => hasHost(text, url.hostname) && urlsIn(text).has(wanted);
  if (sources.user_input?.type !== "none" && conversation.user_texts.some(shows)) return true;
  const { messages, shown_urls } = conversation;
  return (
    shown_urls.some((shown) => shown.url === wanted && contributes(shown.tool, sources)) ||
    resultsIn(messages).some(({ name, result }) => contributes(name, sources) && textsOf(result).some(shows))
  );
}

/** What is to be remembered of the messages when results go from them: the newest, as many as there is room for. */
export function rememberedUrls({ messages, shown_urls }: Omit<Conversation, "user_texts">): ShownUrl[] {
  const all = new Map<string, ShownUrl>();
  const shown = resultsIn(messages).flatMap(({ name, result }) =>
    isSandboxTool(name)
      ? []
      : textsOf(result).flatMap((text) => [...urlsIn(text)].map((url) => ({ tool: name, url }))),
  );
  for (const one of [...shown_urls, ...shown]) {
    const key = JSON.stringify([one.tool, one.url]);
    all.delete(key);
    all.set(key, one);
  }
  let chars = 0;
  const newest = [...all.values()].toReversed();
  const end = newest.findIndex(({ tool, url }) => {
    chars += tool.length + url.length;
    return chars > limits.web_shown_urls_chars_max;
  });
  return newest.slice(0, end === -1 ? newest.length : end).toReversed();
}

function contributes(name: string, sources: UrlSources): boolean {
  if (isSandboxTool(name)) return false;
  return passes(isWebTool(name) ? sources.server_tool_results : sources.client_tool_results, name);
}

const isWebTool = (name: string) => name === "web_search" || name === "web_fetch";

/** They contribute nothing: what they print, the model may have written. */
const isSandboxTool = (name: string) => !isWebTool(name) && builtInTools.some((tool) => tool === name);

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

/** Those of calls that did not fail. */
function resultsIn(messages: readonly ModelMessage[]): { name: string; result: ToolResultBlock }[] {
  const names = new Map<string, string>();
  const results: { name: string; result: ToolResultBlock }[] = [];
  for (const { content } of messages) {
    for (const block of content) {
      if (block.type === "tool_use") names.set(block.id, block.name);
      if (block.type !== "tool_result") continue;
      const name = names.get(block.tool_use_id);
      if (name !== undefined && !block.is_error) results.push({ name, result: block });
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

/**
 * Without which no URL of a text is worth reading: megabytes of others would take seconds. International names and
 * addresses are written in more ways than one.
 */
const hasHost = (text: string, host: string): boolean =>
  /xn--|[\d.]$|\]$/.test(host) || text.toLowerCase().includes(host);

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
