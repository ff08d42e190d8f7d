import type { Blob, Blobs } from "../../files/blobs.ts";
import { limits } from "../../limits.ts";
import { archiveOf } from "../../skills/archive.ts";
import type { SkillFolder } from "../../skills/folder.ts";

/** A file of a version, by its content. */
export interface ManifestEntry extends Blob {
  path: string;
  executable: boolean;
}

export interface SkillContents {
  slug: string;
  description: string;
  manifest: ManifestEntry[];
  archive: Blob;
}

/** Takes in what a skill holds: each file by itself, and all of them as an archive. It goes again unless a version names it. */
export async function keepContents(
  blobs: Blobs,
  { slug, description, files }: SkillFolder,
): Promise<SkillContents> {
  const keep = async (content: Buffer) => (await blobs.receive(chunksOf(content), content.length)).keep();
  const archive = await keep(await archiveOf(slug, files));
  const manifest: ManifestEntry[] = [];
  for (let at = 0; at < files.length; at += limits.skill_files_parallel_max) {
    const some = files.slice(at, at + limits.skill_files_parallel_max);
    const kept = some.map(async ({ path, content, executable }) => ({
      path,
      executable,
      ...(await keep(content)),
    }));
    manifest.push(...(await Promise.all(kept)));
  }
  return { slug, description, manifest, archive };
}

async function* chunksOf(content: Buffer): AsyncGenerator<Buffer> {
  if (content.length > 0) yield content;
}
