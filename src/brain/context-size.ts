import type { ModelRequest } from "../models/model.ts";
import { messagesTokens, requestTokens } from "../models/token-estimate.ts";
import type { Thread } from "./state.ts";

/**
 * How much of a model's context a thread takes, in tokens: what the model itself counted with its newest answer, and a
 * guess on the high side for what came after. The guess counts text alone at its length: base64 of an image or a PDF says
 * little about its tokens.
 */
export function contextTokens(thread: Thread, request: Pick<ModelRequest, "system" | "tools">): number {
  const { counted_tokens: counted, messages } = thread;
  if (counted === null) return requestTokens({ ...request, messages });
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  return counted + messagesTokens(messages.slice(last + 1));
}
