import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import Anthropic, { toFile } from "@anthropic-ai/sdk";
import { ZipFile } from "yazl";
import { limits } from "../../limits.ts";
import { leftOut } from "../../protocol/skill-folders.ts";
import { frontMatterOf } from "../../skills/front-matter.ts";
import { exits, Failure } from "../exits.ts";
import { uploading } from "./connection.ts";

export interface Pushed {
  skill_id: string;
  version_id: string;
  is_new: boolean;
}

/** Uploads a folder as a new skill, or as a new version of the one that has its name. */
export async function pushSkill(client: Anthropic, folder: string, display_name?: string): Promise<Pushed> {
  const root = resolve(folder);
  if (!statSync(join(root, "SKILL.md"), { throwIfNoEntry: false })?.isFile())
    throw new Failure(`${folder} has no SKILL.md`, exits.usage);
  const slug = frontMatterOf(readFileSync(join(root, "SKILL.md"))).name ?? basename(root);
  const zip = await toFile(await zipped(root), `${basename(root)}.zip`);
  const named = display_name === undefined ? {} : { display_name };
  try {
    const made = await client.skills.create({ files: [zip], ...named }, uploading);
    return { skill_id: made.id, version_id: made.latest_version_id, is_new: true };
  } catch (error) {
    if (!(error instanceof Anthropic.ConflictError)) throw error;
    const skill_id = await withSlug(client, slug);
    if (skill_id === null) throw error;
    const version = await client.skills.versions.create(skill_id, { files: [zip] }, uploading);
    return { skill_id, version_id: version.id, is_new: false };
  }
}

/** A skill's name is said by its versions alone; what people see of it may be another one. */
async function withSlug(client: Anthropic, slug: string): Promise<string | null> {
  for await (const { id, source, latest_version_id } of client.skills.list({ limit: 100 })) {
    if (source.type !== "custom") continue;
    const { name } = await client.skills.versions.retrieve(latest_version_id, { skill_id: id });
    if (name === slug) return id;
  }
  return null;
}

/** Which files may be run is kept, as a form would not. */
async function zipped(root: string): Promise<Buffer> {
  const zip = new ZipFile();
  let files = 0;
  let bytes = 0;
  const add = (folder: string, within: string) => {
    for (const name of readdirSync(folder).sort()) {
      if (leftOut.has(name)) continue;
      const path = join(folder, name);
      const found = lstatSync(path);
      if (found.isDirectory()) add(path, `${within}/${name}`);
      else if (found.isFile()) {
        files += 1;
        bytes += found.size;
        if (files > limits.skill_files_max || bytes > limits.skill_bytes_max)
          throw new Failure(
            `${root} holds more than a skill may: ${limits.skill_files_max} files, and ${limits.skill_bytes_max >> 20} MB`,
            exits.usage,
          );
        zip.addBuffer(readFileSync(path), `${within}/${name}`, { mode: found.mode });
      } else throw new Failure(`${path} is neither a file nor a folder: a skill has no links`);
    }
  };
  add(root, basename(root));
  zip.end();
  return buffer(zip.outputStream);
}
