import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";
import { frontMatterOf, slugPattern } from "./front-matter.ts";
import { componentsOf, createOneEach, isJunk, shown } from "./names.ts";
import { isZip, unzip, type Zipped } from "./unzip.ts";

/** A file of a skill. */
export interface SkillFile {
  /** Within the skill's folder. */
  path: string;
  content: Buffer;
  executable: boolean;
}

export interface SkillFolder {
  slug: string;
  description: string;
  /** By their paths. */
  files: SkillFile[];
}

/** As it has come in a form. */
export interface Uploaded {
  name: string;
  content: Buffer;
}

const manifest = "SKILL.md";

/** The skill in what was uploaded: the files of one folder, or one archive of it. */
export async function folderOf(uploaded: readonly Uploaded[]): Promise<SkillFolder> {
  const [first, ...others] = uploaded;
  if (!first)
    throw invalid("files: is required: the files of one folder with a SKILL.md, or a zip archive of it");
  const isArchive = others.length === 0 && !first.name.includes("/") && isZip(first.content);
  const files = inFolder(isArchive ? await unzip(first.content) : uploaded.map(asSent));
  const said = files.list.find(({ path }) => path === manifest);
  if (!said) throw invalid(`files: ${shown(`${files.top}/${manifest}`)} is missing`);
  const { name, description } = frontMatterOf(said.content);
  return { slug: name ?? slugOf(files.top), description, files: files.list };
}

/** A form says nothing of modes. */
const asSent = ({ name, content }: Uploaded): Zipped => ({ name, content, executable: null });

/** What lies in the one folder at the top. */
function inFolder(given: readonly Zipped[]): { top: string; list: SkillFile[] } {
  const requireOneEach = createOneEach();
  const list: SkillFile[] = [];
  let top: string | null = null;
  let bytes = 0;
  let pathBytes = 0;
  for (const { name, content, executable } of given) {
    const components = componentsOf(name);
    if (isJunk(components)) continue;
    const [folder = "", ...rest] = components;
    if (rest.length === 0 || (top !== null && top !== folder))
      throw invalid(
        `files: ${shown(name)}: all files must be in one top-level folder, such as my-skill/SKILL.md`,
      );
    top = folder;
    requireOneEach(components);
    const path = rest.join("/");
    bytes += content.length;
    pathBytes += Buffer.byteLength(path);
    list.push({ path, content, executable: executable ?? isScript(content) });
    if (list.length > limits.skill_files_max)
      throw invalid(`files: a skill may have ${limits.skill_files_max} files at most`);
    if (pathBytes > limits.skill_paths_bytes_max)
      throw invalid(`files: all paths together may have ${limits.skill_paths_bytes_max} bytes at most`);
    if (bytes > limits.skill_bytes_max)
      throw new ApiError("request_too_large", `files: are larger than ${limits.skill_bytes_max >> 20} MB`);
  }
  if (top === null) throw invalid("files: there are none");
  return { top, list: list.toSorted((a, b) => (a.path < b.path ? -1 : 1)) };
}

const isScript = (content: Buffer) => content.toString("latin1", 0, 2) === "#!";

function slugOf(top: string): string {
  if (slugPattern.test(top) && top.length <= limits.skill_slug_chars_max) return top;
  throw invalid(
    `SKILL.md: name: is required where the folder's name ${shown(top)} is not one of lower-case letters, digits and hyphens`,
  );
}
