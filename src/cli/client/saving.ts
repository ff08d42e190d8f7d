import { createWriteStream, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { Failure } from "../exits.ts";

/** A place beneath a folder. What an agent has called a file leads nowhere else. */
export function placeBeneath(folder: string, path: string): string {
  const root = resolve(folder);
  const place = resolve(join(root, path));
  if (place !== root && place.startsWith(root === sep ? sep : `${root}${sep}`)) return place;
  throw new Failure(`${JSON.stringify(path)} does not lie beneath ${folder}`);
}

/** Writes what a file holds to a new file, and leaves nothing of it where that fails. */
export async function saveFile(
  client: Anthropic,
  id: string,
  place: string,
  { force = false }: { force?: boolean | undefined } = {},
): Promise<void> {
  if (existsSync(place) && !force) throw new Failure(`${place} is there already: --force replaces it`);
  const { body } = await client.beta.files.download(id, { betas: ["managed-agents-2026-04-01"] });
  mkdirSync(dirname(place), { recursive: true });
  let isOpen = false;
  const file = createWriteStream(place, { flags: force ? "w" : "wx" });
  file.once("open", () => {
    isOpen = true;
  });
  try {
    await pipeline(body ? Readable.fromWeb(body as never) : Readable.from([]), file);
  } catch (error) {
    if (isOpen) rmSync(place, { force: true });
    throw error;
  }
}
