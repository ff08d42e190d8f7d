import type { EventParams, SessionEvent } from "../../../src/protocol/events.ts";
import { ask } from "../api/request.ts";

/** What a person does in a session: each is one request, which the server takes whole or not at all. */

const send = (sessionId: string, events: EventParams[]) =>
  ask<{ data: SessionEvent[] }>(`/v1/sessions/${encodeURIComponent(sessionId)}/events`, {
    method: "POST",
    body: { events },
    // Tried again after a lost answer it is the same request, not a second one.
    headers: { "idempotency-key": crypto.randomUUID() },
  });

const message = (text: string): EventParams => ({
  type: "user.message",
  content: [{ type: "text", text }],
});

export const say = (sessionId: string, text: string) => send(sessionId, [message(text)]);

export const interrupt = (sessionId: string) => send(sessionId, [{ type: "user.interrupt" }]);

/** Stops what the agent does, and has it do something else. */
export const redirect = (sessionId: string, text: string) =>
  send(sessionId, [{ type: "user.interrupt" }, message(text)]);

export const confirm = (sessionId: string, ids: readonly string[], allow: boolean, why?: string) =>
  send(
    sessionId,
    ids.map((tool_use_id) => ({
      type: "user.tool_confirmation",
      tool_use_id,
      ...(allow ? { result: "allow" } : { result: "deny", ...(why && { deny_message: why }) }),
    })),
  );

export const answerTool = (sessionId: string, custom_tool_use_id: string, text: string, is_error: boolean) =>
  send(sessionId, [
    { type: "user.custom_tool_result", custom_tool_use_id, content: [{ type: "text", text }], is_error },
  ]);
