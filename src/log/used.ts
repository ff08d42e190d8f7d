import { addUsage, type ModelUsage, noUsage, type ServedBy } from "../models/model.ts";
import { type AnyDraft, bodyOf } from "./entry.ts";

/** What entries tell that one model has used, as the append statement adds it up. */
export interface UsedBy {
  /** Null: the session's own. Empty: none. */
  model: string | null;
  input: number;
  output: number;
  cache_read: number;
  cache_5m: number;
  cache_1h: number;
  searches: number;
  requests: number;
  /** Of which the tokens have no list price. */
  unpriced: number;
  nano: number;
}

/** Once for each model, from the entries that are about to be written: whoever appends them counts them too. */
export function usedIn(entries: readonly AnyDraft[]): UsedBy[] {
  const byModel = new Map<string | null, UsedBy>();
  const add = (model: string | null, usage: ModelUsage, more: Partial<UsedBy>) => {
    const before = byModel.get(model) ?? {
      ...tokens(noUsage),
      model,
      searches: 0,
      requests: 0,
      unpriced: 0,
      nano: 0,
    };
    const sum = addUsage(usageOf(before), usage);
    byModel.set(model, {
      ...tokens(sum),
      model,
      searches: before.searches + (more.searches ?? 0),
      requests: before.requests + (more.requests ?? 0),
      unpriced: before.unpriced + (more.unpriced ?? 0),
      nano: before.nano + (more.nano ?? 0),
    });
  };
  const asked = new Map<string, string | null>();
  for (const entry of entries) {
    if (entry.type === "charged") {
      const { request_id, usage, nano_dollars, judge, ...who } = bodyOf(entry, "charged");
      const model = nameOf(who);
      asked.set(request_id, model);
      const judging = judge?.nano_dollars ?? 0;
      add(model, judge ? without(usage, judge.usage) : usage, priced(nano_dollars && nano_dollars - judging));
      if (judge) add(judge.model, judge.usage, priced(judge.nano_dollars));
    }
    if (entry.type === "searched") {
      const {
        usage = noUsage,
        requests,
        nano_dollars,
        model = "",
        tokens_nano_dollars,
      } = bodyOf(entry, "searched");
      const unpriced = tokens_nano_dollars === null ? 1 : 0;
      add(model, usage, { searches: requests, nano: nano_dollars, unpriced });
    }
  }
  for (const entry of entries) {
    if (entry.type !== "span.model_request_end") continue;
    const { model_request_start_id } = bodyOf(entry, "span.model_request_end");
    add(asked.get(model_request_start_id) ?? null, noUsage, { requests: 1 });
  }
  return [...byModel.values()];
}

const priced = (nano: number | null) => (nano === null ? { unpriced: 1 } : { nano });

/** Who stepped in for the agent's model has answered in its place. */
const nameOf = ({ served_by, model }: { served_by?: ServedBy; model?: string }): string | null =>
  served_by ? `${served_by.provider}/${served_by.model}` : (model ?? null);

const tokens = (usage: ModelUsage) => ({
  input: usage.input_tokens,
  output: usage.output_tokens,
  cache_read: usage.cache_read_input_tokens,
  cache_5m: usage.cache_creation_5m_input_tokens,
  cache_1h: usage.cache_creation_1h_input_tokens,
});

const usageOf = (used: ReturnType<typeof tokens>): ModelUsage => ({
  input_tokens: used.input,
  output_tokens: used.output,
  cache_read_input_tokens: used.cache_read,
  cache_creation_5m_input_tokens: used.cache_5m,
  cache_creation_1h_input_tokens: used.cache_1h,
});

const without = (all: ModelUsage, part: ModelUsage): ModelUsage => ({
  input_tokens: all.input_tokens - part.input_tokens,
  output_tokens: all.output_tokens - part.output_tokens,
  cache_read_input_tokens: all.cache_read_input_tokens - part.cache_read_input_tokens,
  cache_creation_5m_input_tokens: all.cache_creation_5m_input_tokens - part.cache_creation_5m_input_tokens,
  cache_creation_1h_input_tokens: all.cache_creation_1h_input_tokens - part.cache_creation_1h_input_tokens,
});
