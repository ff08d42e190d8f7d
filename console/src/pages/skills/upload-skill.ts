import { uploadFile } from "../../api/upload.ts";
import type { Dropped } from "../../ui/dropped.ts";

/** A folder goes as its files, each with its path; an archive as it is. */
export const uploadSkill = (
  path: string,
  { files }: Dropped,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<unknown> =>
  uploadFile(
    path,
    files.map(({ path: name, file }) => ["files[]", file, name] as const),
    progress,
    signal,
  );
