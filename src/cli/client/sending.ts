import { createReadStream, openAsBlob, type ReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { exits, Failure } from "../exits.ts";

/** Before anything is sent. It may be a pipe: what another program says. */
export function requireFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Failure(`${path} is not there`, exits.usage);
  if (found.isDirectory()) throw new Failure(`${path} is a folder: name its files`, exits.usage);
}

/** What is to be uploaded. A file is read while it is sent, however large it is; what a pipe says is held in memory. */
export async function contentOf(path: string): Promise<File | ReadStream> {
  if (!statSync(path).isFile()) return createReadStream(path);
  return new File([await openAsBlob(path)], basename(path));
}
