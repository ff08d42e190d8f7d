import pg from "pg";
import { DatabaseUnavailable } from "./errors.ts";

/** One URL for each server of `postgresql://user@a:5432,b:5433/name`, in order. */
export function urlsOf(url: string): string[] {
  const match = /^(postgres(?:ql)?:\/\/(?:[^@/?]*@)?)([^/?]*)(.*)$/.exec(url);
  if (!match) return [url];
  const [, before, hosts = "", after] = match;
  return hosts.split(",").map((host) => `${before}${host}${after}`);
}

/**
 * Which of several servers takes writes: all are asked at once, and the first that says so is it. A standby that has just
 * been promoted is found by asking again.
 */
export async function findPrimary(urls: string[], config: pg.ClientConfig): Promise<string> {
  try {
    return await Promise.any(urls.map((url) => requirePrimary(url, config)));
  } catch (error) {
    const reasons = error instanceof AggregateError ? error.errors.map((reason) => reason.message) : [error];
    throw new DatabaseUnavailable(`none of the ${urls.length} servers takes writes: ${reasons.join("; ")}`, {
      mayHaveRun: false,
      cause: error,
    });
  }
}

async function requirePrimary(url: string, config: pg.ClientConfig): Promise<string> {
  const client = new pg.Client({ ...config, connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ transaction_read_only: string }>("show transaction_read_only");
    if (rows[0]?.transaction_read_only !== "off")
      throw new Error(`${client.host}:${client.port} is read-only`);
    return url;
  } finally {
    client.end().catch(() => {});
  }
}
