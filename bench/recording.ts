import type { Candidates, Model, Models } from "../src/models/model.ts";
import { simulatedModel } from "../src/models/simulated.ts";

/** The simulated model, and the times at which its requests came in and its answers were whole. */
export interface RecordingModels extends Models, Candidates {
  /** Resolves with the time of the next request, in `ms`. */
  nextRequest(): Promise<number>;
  /** Resolves with the time of the next whole answer, in `ms`. */
  nextAnswer(): Promise<number>;
}

export function recordingModels(): RecordingModels {
  const simulated = simulatedModel({ chars_per_second: null });
  let onRequest = (_at: number) => {};
  let onAnswer = (_at: number) => {};
  const model: Model = {
    async *stream(request, signal) {
      onRequest(performance.now());
      for await (const event of simulated.stream(request, signal)) {
        if (event.type === "finished") onAnswer(performance.now());
        yield event;
      }
    },
  };
  return {
    find: () => ({ model }),
    candidatesFor: () => ({ missing: "Only sessions are measured." }),
    judgeOf: (modelId) => modelId,
    contextWindow: () => 1_000_000_000,
    nextRequest: () =>
      new Promise((resolve) => {
        onRequest = resolve;
      }),
    nextAnswer: () =>
      new Promise((resolve) => {
        onAnswer = resolve;
      }),
  };
}
