import { ApiError } from "../../protocol/errors.ts";
import { type AssistantBlock, type Model, type ModelEvent, type ModelRequest, noUsage } from "../model.ts";
import { type AboutAnswer, messageOf, startMessageStream } from "./answer.ts";
import type { Begun, OnUsed } from "./ask.ts";
import { apiErrorOf, endedBy, malformedCall } from "./errors.ts";
import { errorFrame, eventStream, frame } from "./frames.ts";

interface Wanted extends AboutAnswer {
  stream: boolean;
}

/** The answer of a model behind our own port, as the Messages API would have given it. */
export async function translated(
  model: Model,
  request: ModelRequest,
  wanted: Wanted,
  signal: AbortSignal,
  onUsed: OnUsed,
): Promise<Begun> {
  const left = new AbortController();
  const events = model.stream(request, AbortSignal.any([signal, left.signal]))[Symbol.asyncIterator]();
  const { value: first } = await events.next();
  if (first?.type === "failed") return { failure: first.failure, error: apiErrorOf(first.failure) };
  const all = wholeAnswer(first, events, signal, onUsed);
  if (!wanted.stream) return { response: Response.json(await messageIn(all, wanted)) };
  const body = eventStream(framesOf(all, wanted), () => left.abort());
  return { response: new Response(body, { headers: { "content-type": "text/event-stream" } }) };
}

/** Throws what ends the answer before it is whole, once the model has ended. */
async function* wholeAnswer(
  first: ModelEvent | undefined,
  rest: AsyncIterator<ModelEvent>,
  signal: AbortSignal,
  onUsed: OnUsed,
): AsyncGenerator<ModelEvent> {
  let bad: string | null = null;
  let usage = noUsage;
  try {
    for (let event = first; event; event = (await rest.next()).value) {
      if ("usage" in event) usage = event.usage;
      if (event.type === "failed") throw apiErrorOf(event.failure);
      if (event.type === "aborted") throw endedBy(signal);
      if (event.type === "block_end") bad ??= malformedIn([event.block]);
      if (event.type === "finished") bad ??= malformedIn(event.content);
      if (bad === null) yield event;
    }
  } finally {
    await rest.return?.();
    onUsed({ usage, searches: 0 });
  }
  if (bad !== null) throw malformedCall(bad);
}

/** The tool that was to be called with something that is no JSON object. */
function malformedIn(blocks: AssistantBlock[]): string | null {
  const bad = blocks.find((block) => block.type === "tool_use" && block.malformed !== undefined);
  return bad?.type === "tool_use" ? bad.name : null;
}

async function messageIn(events: AsyncIterable<ModelEvent>, about: AboutAnswer): Promise<unknown> {
  for await (const event of events) if (event.type === "finished") return messageOf(about, event);
  throw new Error("the model's stream ended without a terminal event");
}

/** What goes wrong once an answer has begun is its last event. */
async function* framesOf(events: AsyncIterable<ModelEvent>, about: AboutAnswer): AsyncGenerator<string> {
  const stream = startMessageStream(about);
  yield* [...stream.start()].map(frame);
  try {
    for await (const event of events) {
      yield* [...stream.take(event)].map(frame);
      if (event.type === "finished") yield* [...stream.finish(event)].map(frame);
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    yield errorFrame(error);
  }
}
