import {
  type Candidate,
  type Model,
  type ModelEvent,
  type ModelFailure,
  noUsage,
  type ServedBy,
} from "./model.ts";

/** What another provider may do better. A request that was refused for what it says is not among them. */
export const downKinds: ModelFailure["kind"][] = [
  "overloaded",
  "rate_limited",
  "unavailable",
  "billing",
  "authentication",
  "not_configured",
];

/**
 * Asks one candidate after another until an answer begins. From then on it stands: what has been told cannot be taken
 * back, and whoever asked may ask again.
 */
export function servedBy(candidates: readonly Candidate[]): Model {
  return {
    async *stream(request, signal) {
      const after: ServedBy["after"] = [];
      const able = candidates.filter(({ searches }) => searches || !request.search);
      if (able.length === 0) yield { type: "failed", failure: cannotSearch(request.model), usage: noUsage };
      for (const [i, candidate] of able.entries()) {
        const { provider, modelId: model } = candidate;
        const served_by = { provider, model, after: [...after] };
        const isLast = i === able.length - 1;
        if (!isLast && candidate.gate.pausedFor() > 0) {
          after.push({ provider, model, failure: "rate_limited" });
          continue;
        }
        let begun = false;
        for await (const event of asked(candidate, { ...request, model }, signal)) {
          const goesOn = !("usage" in event);
          begun ||= goesOn;
          if (event.type === "failed" && !begun && !isLast) {
            const { kind } = event.failure;
            if (downKinds.includes(kind)) {
              after.push({ provider, model, failure: kind });
              break;
            }
          }
          if (event.type === "failed") yield { ...event, failure: toldWith(after, event.failure), served_by };
          else yield goesOn ? event : { ...event, served_by };
          if (!goesOn) return;
        }
      }
    },
  };
}

/** Waits for its turn first. */
async function* asked(
  { provider, model, gate }: Candidate,
  request: Parameters<Model["stream"]>[0],
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const entry = await gate.enter(signal);
  if (!entry.entered) {
    yield signal.aborted
      ? { type: "aborted", usage: noUsage }
      : { type: "failed", failure: noTurn(provider, entry.retry_after_ms), usage: noUsage };
    return;
  }
  try {
    for await (const event of model.stream(request, signal)) {
      if (event.type === "failed" && event.failure.kind === "rate_limited")
        gate.pause(event.failure.retry_after_ms ?? 0);
      yield event;
    }
  } finally {
    entry.leave();
  }
}

const cannotSearch = (model: string): ModelFailure => ({
  kind: "not_configured",
  message: `The provider of the model "${model}" cannot search the web.`,
  retryable: false,
  retry_after_ms: null,
});

/** Whoever is told that the last one failed wants to know of the others. */
function toldWith(after: ServedBy["after"], failure: ModelFailure): ModelFailure {
  if (after.length === 0) return failure;
  const others = after.map((other) => `${other.provider}/${other.model} (${other.failure})`).join(", ");
  return { ...failure, message: `${failure.message} It stood in for ${others}.` };
}

export const noTurn = (provider: string, retry_after_ms: number | null): ModelFailure => ({
  kind: "rate_limited",
  message: `The provider "${provider}" is used to the full: see max_concurrency and requests_per_minute of models.providers.${provider}, and its own limits.`,
  retryable: true,
  retry_after_ms,
});
