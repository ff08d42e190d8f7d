import { failpoint } from "../failpoints.ts";
import {
  type ModelEvent,
  type ModelFailure,
  type ModelRequest,
  type Models,
  noUsage,
} from "../models/model.ts";

/**
 * Asks the model that the request names. Whatever goes wrong is the last event. `filled`: puts in what the request has in the
 * file store.
 */
export async function* callModel(
  models: Models,
  request: ModelRequest,
  signal: AbortSignal,
  filled: (request: ModelRequest) => Promise<ModelRequest> = async (whole) => whole,
): AsyncGenerator<ModelEvent> {
  const found = models.find(request.model);
  if ("missing" in found) {
    yield failed({ kind: "not_configured", message: found.missing, retryable: false });
    return;
  }
  let whole: ModelRequest;
  try {
    whole = await filled(request);
  } catch {
    const message = "The files that the conversation names cannot be read at the moment.";
    yield failed({ kind: "unavailable", message, retryable: true });
    return;
  }
  failpoint("model_asked");
  for await (const event of found.model.stream(whole, signal)) {
    failpoint("model_said");
    yield event;
  }
}

const failed = (failure: Omit<ModelFailure, "retry_after_ms">): ModelEvent => ({
  type: "failed",
  failure: { ...failure, retry_after_ms: null },
  usage: noUsage,
});
