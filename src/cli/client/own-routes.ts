import Anthropic from "@anthropic-ai/sdk";
import { Failure } from "../exits.ts";

/**
 * Asks for what the official API does not have. Where that is not found it can be the thing that is not there, or the whole
 * route: a server of Drover's names its routes, `route` among them as /openapi.json writes it.
 */
export async function askOwn<Answer>(
  client: Anthropic,
  route: `/v1/${string}`,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    const isMissing = error instanceof Anthropic.APIError && (error.status === 404 || error.status === 405);
    if (isMissing && !(await hasRoute(client, route)))
      throw new Failure(
        `The server at ${client.baseURL} does not have ${route}: it is an addition of Drover's, and no part of the official API.`,
      );
    throw error;
  }
}

async function hasRoute(client: Anthropic, route: string): Promise<boolean> {
  const described = await client
    .get<{ paths?: Record<string, unknown> }>("/openapi.json", { maxRetries: 0 })
    .catch(() => null);
  return Object.hasOwn(described?.paths ?? {}, route);
}
