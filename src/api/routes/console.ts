import { z } from "zod";
import { beginConsoleSession, endConsoleSessions } from "../../resources/console-sessions.ts";
import { consoleTokens, setCookie } from "../console/cookie.ts";
import { type Route, route } from "../route.ts";

const consoleSession = z.object({
  type: z.literal("console_session"),
  workspace_id: z.string(),
  /** At the latest; earlier where it is not used. */
  expires_at: z.string(),
});
const endedConsoleSession = z.object({ type: z.literal("console_session_deleted") });

export const consoleRoutes: Route[] = [
  route({
    beta: null,
    method: "POST",
    path: "/console/session",
    signs_in: true,
    summary: "Sign a browser in: with an API key in the header, for a cookie that stands for it",
    unrepeatable: "its answer holds a secret",
    response: consoleSession,
    async handle({ db, principal, headers, context }): Promise<z.infer<typeof consoleSession>> {
      const { token, expires_at } = await beginConsoleSession(db, principal);
      headers["set-cookie"] = setCookie(context.req.raw.headers, token);
      return { type: "console_session", workspace_id: principal.workspaceId, expires_at };
    },
  }),
  route({
    beta: null,
    method: "DELETE",
    path: "/console/session",
    summary: "Sign the browser out: its cookie is none any more",
    response: endedConsoleSession,
    async handle({ db, headers, context }): Promise<z.infer<typeof endedConsoleSession>> {
      await endConsoleSessions(db, consoleTokens(context.req.raw.headers));
      headers["set-cookie"] = setCookie(context.req.raw.headers, null);
      return { type: "console_session_deleted" };
    },
  }),
];
