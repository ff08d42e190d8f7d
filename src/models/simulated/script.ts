import type { ModelFailure, ModelUsage } from "../model.ts";

/** One thing that an answer does, in the order of the directives. */
export type Act =
  | { do: "say"; text: string }
  | { do: "think"; text: string }
  | { do: "call"; name: string; input: Record<string, unknown> }
  | { do: "malformed"; name: string; text: string }
  | { do: "echo" }
  | { do: "wait"; ms: number }
  | { do: "fail"; kind: ModelFailure["kind"]; times: number }
  | { do: "refuse"; category: string | null; explanation: string | null }
  | { do: "cut" }
  | { do: "hang" }
  | { do: "truncate" }
  | { do: "usage"; counts: Partial<ModelUsage> };

/** The acts of one answer. */
export type Step = Act[];

const failureKinds = [
  "overloaded",
  "rate_limited",
  "unavailable",
  "billing",
  "authentication",
  "rejected",
  "too_long",
] as const;

const usageNames: Record<string, keyof ModelUsage> = {
  in: "input_tokens",
  out: "output_tokens",
  cache_read: "cache_read_input_tokens",
  cache_5m: "cache_creation_5m_input_tokens",
  cache_1h: "cache_creation_1h_input_tokens",
};

const quote_chars_max = 200;
const wait_ms_max = 3_600_000;
const repeat_max = 1_000;

/**
 * The steps that the texts of one message ask for. Texts lie together in a message when they were queued, or when
 * the answer to the older one was interrupted, failed or refused: an older one that holds an answer up is left
 * out, or it would hold up the newer ones too.
 */
export function scriptOf(texts: string[]): Step[] {
  const parts = texts.map(parse);
  const kept = parts.filter((part, i) => i === parts.length - 1 || !part.some(holdsUp));
  return steps(kept.flatMap((part) => [...part, "then" as const]));
}

/** What `echo` repeats: the text without its directives. */
export const proseOf = (text: string): string =>
  text
    .split("\n")
    .filter((line) => directive(line) === null)
    .join("\n")
    .trim();

type Item = Act | "then";

const holdsUp = (item: Item) =>
  item !== "then" && ["wait", "hang", "fail", "cut", "refuse"].includes(item.do);

function parse(text: string): Item[] {
  const items = text.split("\n").flatMap((line) => directive(line) ?? []);
  return items.length > 0 ? items : [{ do: "say", text: greeting(text) }];
}

/** `then` waits for tool results: after a step without calls there is nothing to wait for, and it changes nothing. */
function steps(items: Item[]): Step[] {
  const done: Step[] = [];
  let step: Step = [];
  let calls = false;
  for (const item of items) {
    if (item !== "then") {
      step.push(item);
      calls ||= item.do === "call" || item.do === "malformed";
    } else if (calls) {
      done.push(step);
      step = [];
      calls = false;
    }
  }
  return step.length > 0 ? [...done, step] : done;
}

/** `null`: the line is just text. */
function directive(line: string): Item[] | null {
  const [, word = "", rest = ""] = /^([a-z]+)(?:\s+(.*))?$/s.exec(line.trim()) ?? [];
  if (word === "repeat") {
    const [, count = "", again = ""] = /^(\d+)\s+(.+)$/s.exec(rest) ?? [];
    const items = Number(count) <= repeat_max && !again.startsWith("repeat") ? directive(again) : null;
    return items && Array.from({ length: Number(count) }, () => items).flat();
  }
  const item = itemOf(word, rest);
  return item && [item];
}

function itemOf(word: string, rest: string): Item | null {
  const [, first = "", others = ""] = /^(\S+)(?:\s+(.*))?$/s.exec(rest) ?? [];
  switch (word) {
    case "say":
    case "think":
      return rest === "" ? null : { do: word, text: rest };
    case "bash":
      return rest === "" ? null : { do: "call", name: "bash", input: { command: rest } };
    case "call": {
      const input = jsonObject(others === "" ? "{}" : others);
      return first === "" || input === null ? null : { do: "call", name: first, input };
    }
    case "malformed":
      return others === "" ? null : { do: "malformed", name: first, text: others };
    case "wait": {
      const [, amount = "", unit = ""] = /^(\d+)(ms|s)$/.exec(rest) ?? [];
      const ms = Number(amount) * (unit === "s" ? 1_000 : 1);
      return amount === "" || ms > wait_ms_max ? null : { do: "wait", ms };
    }
    case "fail": {
      const kind = failureKinds.find((candidate) => candidate === first);
      if (!kind || !/^\d*$/.test(others)) return null;
      return { do: "fail", kind, times: others === "" ? 1 : Number(others) };
    }
    case "refuse":
      return { do: "refuse", category: first || null, explanation: others || null };
    case "usage": {
      const counts = usageCounts(rest);
      return counts && { do: "usage", counts };
    }
    case "then":
      return rest === "" ? "then" : null;
    case "echo":
    case "cut":
    case "hang":
    case "truncate":
      return rest === "" ? { do: word } : null;
    default:
      return null;
  }
}

function usageCounts(text: string): Partial<ModelUsage> | null {
  const counts: Partial<ModelUsage> = {};
  for (const pair of text.split(/\s+/)) {
    const [, name = "", count = ""] = /^(\w+)=(\d+)$/.exec(pair) ?? [];
    const field = Object.hasOwn(usageNames, name) ? usageNames[name] : undefined;
    if (!field) return null;
    counts[field] = Number(count);
  }
  return counts;
}

function jsonObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function greeting(text: string): string {
  const chars = [...text.trim()];
  const quoted =
    chars.length > quote_chars_max ? `${chars.slice(0, quote_chars_max).join("")}…` : chars.join("");
  const heard = quoted === "" ? "Hello." : `Hello. You said: "${quoted}".`;
  return `${heard} I am the simulated model and do what directives tell me, such as "bash echo hi" or "say hi".`;
}
