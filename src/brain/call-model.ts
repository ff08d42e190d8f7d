import { failpoint } from "../failpoints.ts";
import { type ModelEvent, type ModelRequest, type Models, noUsage } from "../models/model.ts";

/** Asks the model that the request names. Whatever goes wrong is the last event. */
export async function* callModel(
  models: Models,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const found = models.find(request.model);
  if ("missing" in found) {
    const failure = {
      kind: "not_configured",
      message: found.missing,
      retryable: false,
      retry_after_ms: null,
    } as const;
    yield { type: "failed", failure, usage: noUsage };
    return;
  }
  failpoint("model_asked");
  for await (const event of found.model.stream(request, signal)) {
    failpoint("model_said");
    yield event;
  }
}
