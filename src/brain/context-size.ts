import type { ModelRequest } from "../models/model.ts";
import { messageTokens, tokensIn } from "../models/token-estimate.ts";
import type { Thread } from "./state.ts";

/**
 * How much of a model's context a thread takes, in tokens: what the model itself counted with its newest answer, and a
 * guess on the high side for what came after. The guess counts text alone at its length: base64 of an image or a PDF says
 * little about its tokens.
 */
export function contextTokens(thread: Thread, request: Pick<ModelRequest, "system" | "tools">): number {
  const counted = thread.counted_tokens;
  const last = thread.messages.findLastIndex(({ role }) => role === "assistant");
  const uncounted = counted === null ? thread.messages : thread.messages.slice(last + 1);
  const head = counted === null ? request.system.length + JSON.stringify(request.tools).length : 0;
  return (
    (counted ?? 0) + tokensIn(head) + uncounted.reduce((sum, message) => sum + messageTokens(message), 0)
  );
}
