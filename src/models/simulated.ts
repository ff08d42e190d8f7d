import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { AssistantBlock, Model, ModelEvent, ModelFailure, ModelRequest } from "./model.ts";
import { type Answer, startAnswer } from "./simulated/answer.ts";
import { judgeStepOf } from "./simulated/judge.ts";
import { type Act, proseOf, type Step, scriptOf } from "./simulated/script.ts";
import { answeredBefore, isNotes, notesOn } from "./simulated/summary.ts";

const chars_per_delta = 48;
const deltas_per_second = 20;

/**
 * A scripted model that needs no key. A pure function of the request: the same request has the same answer in
 * whatever process it is made. Without a speed it uses no timer but for `wait`.
 */
export function simulatedModel(speed: { chars_per_second: number | null }): Model {
  return {
    async *stream(request, signal) {
      const answer = startAnswer(request);
      const pace = paceOf(speed.chars_per_second, signal);
      for (const act of stepOf(request)) {
        if (signal.aborted) break;
        const end = yield* perform(act, request, answer, pace);
        if (end && !signal.aborted) {
          yield end;
          return;
        }
      }
      if (signal.aborted) yield { type: "aborted", usage: answer.usage() };
      else yield answer.finished({ reason: answer.calls() > 0 ? "tool_use" : "end_turn" });
    },
  };
}

/** Returns the last event of the answer where the act ends it. */
async function* perform(
  act: Act,
  request: ModelRequest,
  answer: Answer,
  pace: Pace,
): AsyncGenerator<ModelEvent, ModelEvent | null> {
  switch (act.do) {
    case "say":
    case "echo": {
      const { start, lead } = answer.openText();
      if (start) yield start;
      for (const chunk of pace.chunks(lead + (act.do === "say" ? act.text : heardIn(request)))) {
        await pace.type(chunk.length);
        if (pace.signal.aborted) return null;
        yield answer.addText(chunk);
      }
      return null;
    }
    case "think":
      yield answer.begin("thinking");
      await pace.type(act.text.length);
      yield* answer.add({ type: "thinking", thinking: act.text, signature: null });
      return null;
    case "call":
    case "malformed": {
      yield answer.begin("tool_use");
      const block = toolUse(act, answer.nextCallId());
      await pace.type((block.malformed ?? JSON.stringify(block.input)).length);
      yield* answer.add(block);
      return null;
    }
    case "wait":
      await pace.wait(act.ms);
      return null;
    case "hang":
      if (!pace.signal.aborted) await once(pace.signal, "abort");
      return null;
    case "usage":
      answer.report(act.counts);
      return null;
    case "fail":
      if (request.attempt >= act.times) return null;
      return { type: "failed", failure: failureOf(act.kind), usage: answer.usageIfBegun() };
    case "cut":
      return { type: "failed", failure: failureOf("unavailable"), usage: answer.usageIfBegun() };
    case "truncate":
      return answer.finished({ reason: "max_tokens" });
    case "refuse": {
      const { category, explanation } = act;
      return answer.finished({ reason: "refusal", category, explanation });
    }
  }
}

/** The newest message with text is the script; each answer since then was one of its steps. */
function stepOf(request: ModelRequest): Step {
  if (request.answer?.name === "verdict") return judgeStepOf(request);
  if (request.purpose === "summary") return [{ do: "say", text: notesOn(request.messages) }];
  const { messages } = request;
  const asked = messages.findLastIndex((message) => textsOf(message).length > 0);
  const asking = messages[asked];
  const answered = messages.slice(asked + 1).filter((message) => message.role === "assistant").length;
  const script = scriptOf(asking ? textsOf(asking).filter((text) => !isNotes(text)) : [""]);
  return script[answered + answeredBefore(asking)] ?? [{ do: "say", text: "Done." }];
}

const textsOf = (message: ModelRequest["messages"][number]): string[] =>
  message.role === "user"
    ? message.content.flatMap((block) => (block.type === "text" ? [block.text] : []))
    : [];

/** The texts of the newest tool results, or what the user wrote beside the directives; and system text that came with it. */
function heardIn({ messages }: ModelRequest): string {
  const last = messages.at(-1);
  const system = last?.role === "system" ? last.content : [];
  const newest = messages.at(last?.role === "system" ? -2 : -1);
  if (newest?.role !== "user") return "";
  const results = newest.content.flatMap((block) => (block.type === "tool_result" ? block.content : []));
  const heard =
    results.length > 0
      ? results.flatMap((block) => {
          if (block.type === "search_result") return block.content;
          return block.type === "text" ? [block.text] : [];
        })
      : textsOf(newest).map(proseOf);
  return [...heard, ...system.map(({ text }) => text)].join("\n");
}

function toolUse(
  act: Extract<Act, { do: "call" | "malformed" }>,
  id: string,
): Extract<AssistantBlock, { type: "tool_use" }> {
  const about = { type: "tool_use", id, name: act.name } as const;
  return act.do === "call" ? { ...about, input: act.input } : { ...about, input: {}, malformed: act.text };
}

const failureOf = (kind: ModelFailure["kind"]): ModelFailure => ({
  kind,
  message: `The simulated model was told to fail (${kind}).`,
  retryable: kind === "overloaded" || kind === "rate_limited" || kind === "unavailable",
  retry_after_ms: null,
});

interface Pace {
  signal: AbortSignal;
  /** Pieces of a text that are streamed one by one. */
  chunks(text: string): string[];
  /** Takes as long as the characters take. Ends early on abort. */
  type(chars: number): Promise<void>;
  wait(ms: number): Promise<void>;
}

function paceOf(charsPerSecond: number | null, signal: AbortSignal): Pace {
  const chunkChars =
    charsPerSecond === null ? chars_per_delta : Math.max(1, Math.round(charsPerSecond / deltas_per_second));
  const wait = async (ms: number) => {
    if (ms > 0 && !signal.aborted) await sleep(ms, undefined, { signal }).catch(() => {});
  };
  return {
    signal,
    chunks: (text) => split(text, chunkChars),
    type: async (chars) => {
      if (charsPerSecond !== null) await wait((chars / charsPerSecond) * 1_000);
    },
    wait,
  };
}

/** Never between the halves of a surrogate pair. */
function split(text: string, chars: number): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    const last = text.charCodeAt(start + chars - 1);
    const end = start + chars + (last >= 0xd800 && last <= 0xdbff ? 1 : 0);
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}
