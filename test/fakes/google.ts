import { dataEvents } from "./upstream.ts";
import {
  jsonReply,
  statusOf,
  stopWord,
  usual,
  type Wire,
  type WireAnswer,
  type WireError,
  wordsOf,
} from "./wire.ts";

/** Gemini's streamGenerateContent. Calls come whole, and their arguments are always an object. */
export const googleWire: Wire = {
  answer: (answer) => dataEvents(chunksOf(answer)),
  begun: (text) => dataEvents([chunk([{ text }])]),
  errorInside: (kind) => dataEvents([{ error: errorOf(kind) }]),
  error: (kind, headers) => jsonReply(statusOf[kind], { error: errorOf(kind) }, headers),
};

const words: Record<WireError, string> = {
  overloaded: "UNAVAILABLE",
  rate_limited: "RESOURCE_EXHAUSTED",
  unavailable: "INTERNAL",
  billing: "PAYMENT_REQUIRED",
  authentication: "UNAUTHENTICATED",
  rejected: "INVALID_ARGUMENT",
  too_long: "INVALID_ARGUMENT",
  not_configured: "NOT_FOUND",
};

const errorOf = (kind: WireError) => ({
  code: statusOf[kind],
  message: wordsOf(kind, "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."),
  status: words[kind],
});

function chunksOf(answer: WireAnswer): object[] {
  const { thinking, text = [], calls = [], usage = usual } = answer;
  const sealed = thinking ? { thoughtSignature: thinking.sealed } : {};
  const reason = stopWord(answer, "MAX_TOKENS", "SAFETY") ?? "STOP";
  const usageMetadata = {
    promptTokenCount: usage.input + usage.cached,
    candidatesTokenCount: usage.output,
    totalTokenCount: usage.input + usage.cached + usage.output,
    ...(usage.cached > 0 ? { cachedContentTokenCount: usage.cached } : {}),
  };
  return [
    ...(thinking?.pieces ?? []).map((piece) => chunk([{ text: piece, thought: true }])),
    ...text.map((piece) => chunk([{ text: piece }])),
    ...calls.map(({ id, name, json }, i) =>
      chunk([
        { functionCall: { id, name, args: JSON.parse(json.join("") || "{}") }, ...(i === 0 ? sealed : {}) },
      ]),
    ),
    { ...chunk([{ text: "" }], reason), usageMetadata },
  ];
}

/** Every piece of a stream has the counts until then. */
const countedSoFar = {
  promptTokenCount: usual.input,
  candidatesTokenCount: 1,
  totalTokenCount: usual.input + 1,
};

const chunk = (parts: object[], finishReason?: string) => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...(finishReason ? { finishReason } : {}) }],
  modelVersion: "fake",
  usageMetadata: countedSoFar,
});
