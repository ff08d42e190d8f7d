import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import type { BetaFileMetadata } from "@anthropic-ai/sdk/resources/beta/files";
import { beta } from "./headers.ts";
import { collected } from "./session.ts";

/** The files of a session, newest first. */
export const filesOf = (client: Anthropic, sessionId: string): Promise<BetaFileMetadata[]> =>
  collected(client.beta.files.list({ scope_id: sessionId, betas: [beta] }));

/** Waits for files of a session that pass the test. */
export async function filesWhen(
  client: Anthropic,
  sessionId: string,
  test: (files: BetaFileMetadata[]) => boolean,
): Promise<BetaFileMetadata[]> {
  for (;;) {
    const files = await filesOf(client, sessionId);
    if (test(files)) return files;
    await pause(20);
  }
}

export const namesOf = (files: readonly BetaFileMetadata[]): string[] =>
  files.map(({ filename }) => filename).sort();

export async function downloaded(client: Anthropic, id: string): Promise<Buffer> {
  return Buffer.from(await (await client.beta.files.download(id)).arrayBuffer());
}
