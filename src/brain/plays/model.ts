import type { AssistantBlock, ModelEvent, ModelRequest, ModelUsage } from "../../models/model.ts";
import { caseIn, verdict } from "../testing.ts";
import type { Answer, PlannedCall } from "./plan.ts";

/** No two parts of it are equal, nor are those of two answers: a sum that counts one twice is wrong. */
const usageOf = (n: number): ModelUsage => ({
  input_tokens: n,
  output_tokens: 1_000 * n,
  cache_read_input_tokens: 1_000_000 * n,
  cache_creation_5m_input_tokens: 2 * n + 1,
  cache_creation_1h_input_tokens: 3 * n + 1,
});

/** The end of the `n`-th answer. */
export function endOf(answer: Answer, n: number): ModelEvent {
  const usage = usageOf(n);
  switch (answer.type) {
    case "text":
      return { type: "finished", content: answer.blocks.map(spoken), stop: { reason: "end_turn" }, usage };
    case "calls":
      return {
        type: "finished",
        content: [{ type: "text", text: "Let me see." }, ...answer.calls.map(called(n))],
        stop: { reason: "tool_use" },
        usage,
      };
    case "refusal":
      return {
        type: "finished",
        content: answer.calls.map(called(n)),
        stop: { reason: "refusal", category: "bio", explanation: null },
        usage,
      };
    case "failure": {
      const retryable = answer.kind === "overloaded" || answer.kind === "unavailable";
      const failure = { kind: answer.kind, message: "planned", retryable, retry_after_ms: null };
      return { type: "failed", failure, usage };
    }
  }
}

export const abortOf = (n: number): ModelEvent => ({ type: "aborted", usage: usageOf(n) });

/** What the judge answers stands in the call itself. */
export const judged = (request: ModelRequest): ModelEvent[] =>
  verdict(String(caseIn(request).call.input.verdict));

function spoken(block: "text" | "empty" | "thinking"): AssistantBlock {
  return block === "thinking"
    ? { type: "thinking", thinking: "Hm.", signature: "signed" }
    : { type: "text", text: block === "text" ? "So it is." : "" };
}

const called =
  (n: number) =>
  ({ name, malformed, verdict, pauses, takes }: PlannedCall, i: number): AssistantBlock => ({
    type: "tool_use",
    id: `toolu_${n}_${i}`,
    name,
    input: malformed
      ? {}
      : { verdict, pauses, ...(name.startsWith("mcp__") && { call: `toolu_${n}_${i}`, takes }) },
    ...(malformed && { malformed: "{" }),
  });
