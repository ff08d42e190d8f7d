import type { ServerResponse } from "node:http";
import { limits } from "../../limits.ts";

/** Who has signed out sees no more of what was being streamed, nor does whoever sits at that browser now. */
export function endWithSignIn(response: ServerResponse, isStillSignedIn: () => Promise<boolean>): void {
  if (response.destroyed) return;
  const timer = setInterval(async () => {
    // A database that is away has signed nobody out.
    if (!(await isStillSignedIn().catch(() => true))) response.destroy();
  }, limits.console_stream_look_ms);
  response.once("close", () => clearInterval(timer));
}
