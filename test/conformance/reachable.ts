import { setTimeout as pause } from "node:timers/promises";
import { beta } from "../harness/headers.ts";
import type { Target } from "./context.ts";

/** How long a server may take to start, and how often it is looked for. */
export const starting_ms_max = 300_000;
const look_again_ms = 500;

/** Why nothing on the server can be checked, in one line that says what to change; or null. */
export async function unreachable(
  { url, api_key }: Pick<Target, "url" | "api_key">,
  { wait_ms, waiting }: { wait_ms: number; waiting(): void },
): Promise<string | null> {
  for (let waited = 0; ; waited += look_again_ms) {
    try {
      return refusalOf(url, await askForAgents(url, api_key));
    } catch (error) {
      if (waited >= wait_ms) return `--base-url: ${url} does not answer: ${reasonOf(error)}`;
      if (waited === 0) waiting();
      await pause(look_again_ms);
    }
  }
}

async function askForAgents(url: string, api_key: string): Promise<number> {
  const { status, body } = await fetch(`${url}/v1/agents?limit=1`, {
    headers: {
      authorization: `Bearer ${api_key}`,
      "x-api-key": api_key,
      "anthropic-version": "2026-10-21",
      "anthropic-beta": beta,
    },
  });
  await body?.cancel();
  return status;
}

function refusalOf(url: string, status: number): string | null {
  if (status === 401 || status === 403) return `--api-key: ${url} refuses it (${status})`;
  if (status === 404) return `--base-url: ${url} has no /v1/agents: give the URL that an SDK is given`;
  return null;
}

/** What `fetch` itself says of a connection that failed is nothing. */
function reasonOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
