import type { EventParams, SessionEvent } from "../../../src/protocol/events.ts";
import { ask } from "../api/request.ts";

/** What a person does in a session: each is one request, which the server takes whole or not at all. */

export const send = (sessionId: string, events: EventParams[], key?: string) =>
  ask<{ data: SessionEvent[] }>(`/v1/sessions/${encodeURIComponent(sessionId)}/events`, {
    method: "POST",
    body: { events },
    ...(key !== undefined && { headers: { "idempotency-key": key } }),
  });

/** Browsers give out UUIDs over https only, and the server may be asked over http. */
export const freshKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );

export const interrupt = (sessionId: string) => send(sessionId, [{ type: "user.interrupt" }]);

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
