import { APIError } from "@anthropic-ai/sdk/core/error";
import { failureOf } from "../anthropic/failure.ts";
import { BrokenStream, cutShort } from "../broken.ts";
import { jsonObject } from "../json.ts";
import { brief } from "../loggable.ts";
import type { ModelFailure, Relay, RelayedRequest } from "../model.ts";
import type { Begun, OnUsed } from "./ask.ts";
import { apiErrorOf, endedBy, upstreamError } from "./errors.ts";
import { dataIn, errorFrame, eventStream, wholeFrames } from "./frames.ts";
import { startMeter } from "./meter.ts";
import { isSealed } from "./seal.ts";

/** The answer of a provider that speaks the Messages API itself, as it is. */
export async function relayed(
  provider: string,
  relay: Relay,
  request: RelayedRequest,
  signal: AbortSignal,
  onUsed: OnUsed,
): Promise<Begun> {
  const left = new AbortController();
  try {
    const sent = { ...request, body: withoutSealed(request.body) };
    const response = await relay.ask(sent, AbortSignal.any([signal, left.signal]));
    if (response.ok && response.body && request.body.stream) {
      const frames = wholeFrames(response.body);
      const first = await frames.next();
      if (first.done) throw cutShort();
      const error = errorFirst(first.value);
      if (error !== null) {
        left.abort();
        return refused(provider, 502, relay.withoutKey(error), response.headers);
      }
      const all = framesOf(provider, relay, beginning(first.value, frames), signal, onUsed);
      return { response: streamed(eventStream(all, () => left.abort())) };
    }
    const text = await response.text();
    const answer = jsonObject(text);
    const isError = answer?.type === "error";
    if (!response.ok || isError) {
      const status = response.ok ? 502 : response.status;
      return refused(provider, status, relay.withoutKey(text), response.headers);
    }
    if (!answer) throw new BrokenStream("it is not a JSON object");
    const meter = startMeter();
    meter.read(text);
    onUsed(meter.used());
    return { response: new Response(text, { headers: { "content-type": "application/json" } }) };
  } catch (error) {
    const failure = brokenOf(error, provider, relay);
    return { failure, error: apiErrorOf(failure) };
  }
}

const streamed = (body: ReadableStream<Uint8Array>) =>
  new Response(body, { headers: { "content-type": "text/event-stream" } });

/** Where the connection breaks, the stream says so instead of ending in the middle of a frame. */
async function* framesOf(
  provider: string,
  relay: Relay,
  all: AsyncIterable<string>,
  signal: AbortSignal,
  onUsed: OnUsed,
): AsyncGenerator<string> {
  const meter = startMeter();
  let isWhole = false;
  try {
    for await (const frames of all) {
      for (const data of dataIn(frames)) meter.read(data);
      const hasError = holds(frames, "error");
      isWhole ||= hasError || holds(frames, "message_stop");
      yield hasError ? relay.withoutKey(frames) : frames;
    }
    if (!isWhole) throw cutShort();
  } catch (error) {
    if (!isWhole)
      yield errorFrame(signal.aborted ? endedBy(signal) : apiErrorOf(brokenOf(error, provider, relay)));
  } finally {
    onUsed(meter.used());
  }
}

/** A key that cannot be sent is in the words that say so. */
function brokenOf(error: unknown, provider: string, relay: Relay): ModelFailure {
  const failure = failureOf(error, provider);
  return { ...failure, message: brief(relay.withoutKey(failure.message)) };
}

async function* beginning(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

/** What a stream that begins with an error says: there is no answer that could stand. */
function errorFirst(frames: string): string | null {
  const [frame = ""] = frames.split(/(?<=\n\r?\n)/, 1);
  return holds(frame, "error") ? dataIn(frame).join("") : null;
}

/** Not every gateway names its events twice. */
const holds = (frames: string, type: string) =>
  new RegExp(`^(event: *${type}|data: *{"type": *"${type}")`, "m").test(frames);

function refused(provider: string, status: number, text: string, headers: Headers): Begun {
  const body = jsonObject(text) ?? undefined;
  const said = failureOf(APIError.generate(status, body, text, headers), provider);
  const failure = { ...said, message: brief(said.message) };
  return { failure, error: upstreamError(status, body, failure) };
}

/** Thoughts that another vendor's model had earlier in the conversation: the provider could not check them. */
function withoutSealed(body: RelayedRequest["body"]): RelayedRequest["body"] {
  const { messages } = body;
  if (!Array.isArray(messages)) return body;
  return { ...body, messages: messages.flatMap(messageWithout) };
}

/** Nothing is left of a message that was a thought. */
function messageWithout(message: unknown): unknown[] {
  const { content } = (message ?? {}) as { content?: unknown };
  if (!Array.isArray(content)) return [message];
  const kept = content.filter((block) => !isSealed(block?.signature) && !isSealed(block?.data));
  if (kept.length === content.length) return [message];
  return kept.length === 0 ? [] : [{ ...(message as object), content: kept }];
}
