import { limits } from "../limits.ts";
import { type AnthropicOptions, itself, upstreamClient } from "./anthropic/client.ts";
import { failureOf } from "./anthropic/failure.ts";
import { messageParams } from "./anthropic/request.ts";
import { startSearched } from "./anthropic/search.ts";
import { startAnswer } from "./anthropic/stream.ts";
import { cutShort } from "./broken.ts";
import type { Model, ModelFailure } from "./model.ts";

export type { AnthropicOptions };

/** Claude, or whatever else speaks the Messages API at `base_url`. Retries are the caller's. */
export function anthropicModel(options: AnthropicOptions): Model {
  const { name = "anthropic" } = options;
  const settings = { idle_ms: limits.model_idle_ms, platform: itself, ...options };
  return {
    async *stream(request, signal) {
      const params = messageParams(request);
      const client = upstreamClient(settings, { fast: request.speed === "fast" });
      const answer = startAnswer();
      const search = request.search ? startSearched() : null;
      let failure: ModelFailure | null = null;
      try {
        for await (const event of await client.messages.create(params, { signal })) {
          if (signal.aborted) break;
          search?.take(event);
          const told = answer.take(event);
          if (told) yield told;
        }
      } catch (error) {
        failure = failureOf(error, name);
      }
      const ended = { usage: answer.usage(), ...(search ? { searched: search.searched() } : {}) };
      // Whatever happens to the connection once the answer is complete, the answer stands.
      if (answer.isComplete()) yield { ...answer.finished(), ...ended };
      else if (signal.aborted) yield { type: "aborted", ...ended };
      else yield { type: "failed", failure: failure ?? failureOf(cutShort(), name), ...ended };
    },
  };
}
