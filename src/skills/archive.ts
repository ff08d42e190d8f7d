import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import type { SkillFile } from "./folder.ts";

/** Of all files of all archives: the same folder makes the same archive, byte for byte. */
const made = new Date(Date.UTC(1980, 0, 1));

/** All files of a skill in a folder of its name. */
export function archiveOf(slug: string, files: readonly SkillFile[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { path, content, executable } of files)
    zip.addBuffer(content, `${slug}/${path}`, {
      mtime: made,
      // It would be followed by the time once more, in another form.
      forceDosTimestamp: true,
      mode: executable ? 0o100755 : 0o100644,
    });
  zip.end();
  return buffer(zip.outputStream);
}
