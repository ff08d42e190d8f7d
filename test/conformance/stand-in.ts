import type { ModelEvent, ModelRequest } from "../../src/models/model.ts";
import { simulatedModel } from "../../src/models/simulated.ts";
import { errorReply, type FakeReply, type FakeRequest, sse, startFakeAnthropic } from "../fakes/anthropic.ts";
import { blockEvents, endEvents, errorOf, requestOf, startEvent, textStart } from "./stand-in-wire.ts";

/**
 * The Messages API on loopback with the simulated model behind it: it stands in for a provider's models where the
 * server to be tested has no scripted model of its own. The user's message is the script there too.
 */
export interface StandIn {
  url: string;
  close(): Promise<void>;
}

export async function startStandIn(port = 0): Promise<StandIn> {
  const model = simulatedModel({ chars_per_second: null });
  /** How often a request has failed in a row, by its conversation. */
  const failures = new Map<string, number>();

  async function answer(request: FakeRequest): Promise<FakeReply> {
    const { method, path, body } = request;
    if (method !== "POST" || new URL(path, "http://stand-in").pathname !== "/v1/messages") {
      return errorReply(404, "not_found_error", `the stand-in has no ${method} ${path}`);
    }
    if (!body.stream) return errorReply(400, "invalid_request_error", "stream: the stand-in only streams");
    const conversation = JSON.stringify(body.messages);
    const asked = requestOf(body, failures.get(conversation) ?? 0);
    const gone = new AbortController();
    request.ended.then(() => gone.abort());
    const events = model.stream(asked, gone.signal)[Symbol.asyncIterator]();
    // The status goes out before all else, and what the answer begins with decides it.
    const { value: first } = await events.next();
    if (first?.type !== "failed") failures.delete(conversation);
    else {
      failures.set(conversation, asked.attempt + 1);
      const { status, type } = errorOf(first.failure);
      return errorReply(status, type, first.failure.message);
    }
    return { chunks: wire(asked, first, events) };
  }

  const server = await startFakeAnthropic(answer, port);
  return { url: server.url, close: server.close };
}

/** An answer as it goes over the wire, piece by piece. */
async function* wire(
  asked: ModelRequest,
  first: ModelEvent | undefined,
  rest: AsyncIterator<ModelEvent>,
): AsyncGenerator<string> {
  yield sse([startEvent(asked)]);
  /** Blocks that are out, and whether the last of them is text that may go on. */
  let out = 0;
  let textIsOpen = false;
  /** What a call says is known only at the end, so what follows it waits until then. */
  let holding = false;
  const stop = () => (textIsOpen ? [{ type: "content_block_stop", index: out - 1 }] : []);
  for (let event = first; event; event = (await rest.next()).value) {
    switch (event.type) {
      case "block_start":
        holding ||= event.block === "tool_use";
        if (holding) break;
        yield sse([
          ...stop(),
          ...(event.block === "text"
            ? [textStart(out)]
            : blockEvents({ type: "thinking", thinking: "", signature: "thought" }, out)),
        ]);
        textIsOpen = event.block === "text";
        out += 1;
        break;
      case "text_delta":
        if (holding) break;
        yield sse([
          {
            type: "content_block_delta",
            index: event.index,
            delta: { type: "text_delta", text: event.text },
          },
        ]);
        break;
      case "finished": {
        const held = event.content.slice(out).flatMap((block, i) => blockEvents(block, out + i));
        yield sse([...stop(), ...held, ...endEvents(event.stop, event.usage)]);
        return;
      }
      case "failed":
        yield sse([
          { type: "error", error: { type: errorOf(event.failure).type, message: event.failure.message } },
        ]);
        return;
      case "aborted":
        return;
    }
  }
}
