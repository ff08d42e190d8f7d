import { setTimeout as pause } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import type { FileMetadata } from "../../protocol/files.ts";

/** A file that a tool wrote in its last moment is listed within this time. */
const late_ms = 1_000;

/** The files that a session has written, by what the API lists of it. */
export async function outputsOf(client: Anthropic, sessionId: string): Promise<FileMetadata[]> {
  const betas = ["managed-agents-2026-04-01"];
  const files = await Array.fromAsync(client.beta.files.list({ scope_id: sessionId, limit: 100, betas }));
  return files.filter(({ downloadable }) => downloadable) as FileMetadata[];
}

/** Tells of each that was not there before, once. */
export async function tellOfOutputs(
  client: Anthropic,
  sessionId: string,
  before: ReadonlySet<string>,
  tell: (file: FileMetadata) => void | Promise<void>,
): Promise<void> {
  const told = new Set(before);
  for (const isLate of [false, true]) {
    if (isLate) await pause(late_ms);
    for (const file of await outputsOf(client, sessionId)) {
      if (told.has(file.id)) continue;
      told.add(file.id);
      await tell(file);
    }
  }
}

/** Where it lies beneath the session's folder for outputs; elsewhere than here it has a name alone. */
export const pathIn = ({ path, filename }: Pick<FileMetadata, "path" | "filename">): string =>
  path ?? filename;
