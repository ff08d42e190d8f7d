import type { EventParams, SessionEvent } from "../../../src/protocol/events.ts";
import type { Session } from "../../../src/protocol/sessions.ts";
import { ask } from "../api/request.ts";

/** What a person does in a session: each is one request, which the server takes whole or not at all. */

/** Longer than the server lets a message wait for the first one under its key. */
const answerMsMax = 40_000;

export const send = (sessionId: string, events: EventParams[], key?: string) =>
  ask<{ data: SessionEvent[] }>(`/v1/sessions/${encodeURIComponent(sessionId)}/events`, {
    method: "POST",
    body: { events },
    within_ms: answerMsMax,
    ...(key !== undefined && { headers: { "idempotency-key": key } }),
  });

/** Browsers give out UUIDs over https only, and the server may be asked over http. */
export const freshKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );

export const interrupt = (sessionId: string) => send(sessionId, [{ type: "user.interrupt" }]);

/** The words say why it is denied; with what is allowed they go as a message. */
export const confirm = (sessionId: string, ids: readonly string[], allow: boolean, words = "") =>
  send(sessionId, [
    ...ids.map(
      (tool_use_id): EventParams => ({
        type: "user.tool_confirmation",
        tool_use_id,
        ...(allow ? { result: "allow" } : { result: "deny", ...(words.trim() && { deny_message: words }) }),
      }),
    ),
    ...(allow && words.trim()
      ? [{ type: "user.message" as const, content: [{ type: "text" as const, text: words }] }]
      : []),
  ]);

export const answerTool = (sessionId: string, custom_tool_use_id: string, text: string, is_error: boolean) =>
  send(sessionId, [
    { type: "user.custom_tool_result", custom_tool_use_id, content: [{ type: "text", text }], is_error },
  ]);

export const isWorking = ({ status }: Pick<Session, "status">): boolean =>
  status === "running" || status === "rescheduling";

/** In which what it does has usually ended. */
const stopMsMax = 20_000;
const lookMs = 300;

/** A session at work cannot be archived: it is interrupted first. */
export async function stopAndArchive(sessionId: string): Promise<void> {
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
  const until = Date.now() + stopMsMax;
  let session = await ask<Session>(path);
  if (isWorking(session)) await interrupt(sessionId);
  while (isWorking(session) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    session = await ask<Session>(path);
  }
  await ask(`${path}/archive`, { method: "POST", body: {} });
}
