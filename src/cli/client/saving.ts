import { randomBytes } from "node:crypto";
import { createWriteStream, linkSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { exits, Failure } from "../exits.ts";

/** A place beneath a folder. What an agent has called a file leads nowhere else. */
export function placeBeneath(folder: string, path: string): string {
  const root = resolve(folder);
  const place = resolve(join(root, path));
  if (place !== root && place.startsWith(root === sep ? sep : `${root}${sep}`)) return place;
  throw new Failure(`${JSON.stringify(path)} does not lie beneath ${folder}`);
}

const isThere = (place: string) => new Failure(`${place} is there already: --force replaces it`);

/** Writes what a file holds, whole or not at all: where that fails, what was there is there still. */
export async function saveFile(
  client: Anthropic,
  id: string,
  place: string,
  { force = false }: { force?: boolean | undefined } = {},
): Promise<void> {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory())
    throw new Failure(`${place} is a folder: name a file`);
  const before = lstatSync(place, { throwIfNoEntry: false });
  if (before && !force) throw isThere(place);
  const { body } = await client.beta.files.download(id, { betas: ["managed-agents-2026-04-01"] });
  const content = body ? Readable.fromWeb(body) : Readable.from([]);
  // A device, a pipe or a link is written to, and stays what it is.
  if (before && !before.isFile()) return pipeline(content, createWriteStream(place));
  mkdirSync(dirname(place), { recursive: true });
  const part = join(dirname(place), `.${randomBytes(6).toString("hex")}.part`);
  const drop = () => rmSync(part, { force: true });
  const onInterrupt = () => {
    drop();
    process.exit(exits.interrupted);
  };
  process.once("SIGINT", onInterrupt);
  try {
    await pipeline(
      content,
      createWriteStream(part, { flags: "wx", mode: before ? before.mode & 0o777 : 0o666 }),
    );
    if (before) renameSync(part, place);
    else putNew(part, place);
  } finally {
    process.off("SIGINT", onInterrupt);
    drop();
  }
}

/** Not over one that somebody else has just put there, as far as the file system can tell. */
function putNew(part: string, place: string): void {
  try {
    linkSync(part, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw isThere(place);
    renameSync(part, place);
  }
}
