import type { IncomingMessage } from "node:http";

/** All of a request's body; null where its client leaves before it has sent that, which ends none but this request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return null;
    throw error;
  }
  return Buffer.concat(parts);
}
