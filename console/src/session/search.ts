import type { SessionEvent } from "../../../src/protocol/events.ts";
import type { Item } from "./transcript.ts";

/** What is searched in, in small letters: made when it is first searched, and kept for as long as what it was made of. */
const texts = new WeakMap<object, string>();

function textOf(of: object, make: () => string): string {
  const known = texts.get(of);
  if (known !== undefined) return known;
  let text: string;
  try {
    text = make().toLowerCase();
  } catch {
    // Nested deeper than JSON can be written.
    text = "";
  }
  texts.set(of, text);
  return text;
}

/** As it is compared: spaces around it mean nothing. */
export const wantedIn = (text: string): string => text.trim().toLowerCase();

export function eventsWith(
  events: readonly SessionEvent[],
  wanted: string,
  type: string | null,
): readonly SessionEvent[] {
  // JSON has quotes and line breaks in words of its own; whoever searches may have either before them.
  const escaped = JSON.stringify(wanted).slice(1, -1).toLowerCase();
  return wanted === "" && type === null
    ? events
    : events.filter(
        (event) =>
          (type === null || event.type === type) &&
          (wanted === "" ||
            [wanted, escaped].some((form) => textOf(event, () => JSON.stringify(event)).includes(form))),
      );
}

/** The places of the items that say it. */
export function placesOf(items: readonly Item[], wanted: string): number[] {
  if (wanted === "") return [];
  const places: number[] = [];
  for (const [n, item] of items.entries())
    if (textOf(item, () => said(item).join("\n")).includes(wanted)) places.push(n);
  return places;
}

interface Block {
  text?: string;
  title?: string | null;
  source?: unknown;
  content?: readonly Block[];
}

const ofBlocks = (blocks: readonly Block[] = []): string[] =>
  blocks.flatMap(({ text = "", title, source, content }) => {
    const { data, type } = (source ?? {}) as { data?: string; type?: string };
    return [text, title ?? "", type === "text" ? (data ?? "") : "", ...ofBlocks(content)];
  });

/** What of it a person reads. */
function said(item: Item): string[] {
  switch (item.kind) {
    case "message":
      return ofBlocks(item.event.content as readonly Block[]);
    case "writing":
      return [item.text];
    case "tool":
      return [
        item.use.name,
        JSON.stringify(item.use.input, null, 2),
        // As it is written, and as it is shown: JSON has line breaks and quotes in words of its own.
        ...Object.values(item.use.input).filter((value) => typeof value === "string"),
        ...ofBlocks(item.result?.content as readonly Block[] | undefined),
        item.answer?.deny_message ?? "",
      ];
    case "setup":
      return [...item.lines, item.end?.message ?? ""];
    case "error":
      return [item.error.type, item.error.message];
    default:
      return [];
  }
}

/** A line about an event beside its type. */
export function gistOf(event: SessionEvent): string {
  switch (event.type) {
    case "agent.tool_use":
    case "agent.custom_tool_use":
    case "agent.mcp_tool_use": {
      const { command, path, url } = event.input;
      const first = [command, path, url].find((value) => typeof value === "string");
      return `${event.name} ${(first as string | undefined) ?? ""}`;
    }
    case "session.error":
      return event.error.message;
    case "session.status_idle":
      return event.stop_reason.type;
    case "span.environment_setup_ongoing":
      return event.message;
    default: {
      if (!("content" in event)) return "";
      const blocks = (event.content ?? []) as readonly Block[];
      return blocks.find(({ text }) => text)?.text ?? "";
    }
  }
}
