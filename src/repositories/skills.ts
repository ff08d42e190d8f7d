import { limits } from "../limits.ts";
import { frontMatterOf } from "../skills/front-matter.ts";
import type { GitResult } from "./git.ts";

/** A skill that a repository has brought, as its SKILL.md says. */
export interface FoundSkill {
  name: string;
  description: string;
  /** Of its SKILL.md, within the repository. */
  path: string;
}

const folder = ".claude/skills";

interface TreeEntry {
  mode: string;
  sha: string;
  bytes: number;
  path: string;
}

/**
 * The skills that lie in `.claude/skills`, each in a folder of its own, at a commit. They are read from git: what they are
 * links to, nobody looks at. What is no skill is passed over, for a stranger may have written it.
 */
export async function skillsAt(
  commit: string,
  git: (args: string[]) => Promise<GitResult>,
): Promise<FoundSkill[]> {
  const list = async (...paths: string[]) => {
    const { code, stdout } = await git([
      "--literal-pathspecs",
      "ls-tree",
      "-z",
      "-l",
      commit,
      "--",
      ...paths,
    ]);
    return code === 0 ? stdout.split("\0").flatMap(entryOf) : [];
  };
  const folders = (await list(`${folder}/`)).filter(({ mode, path }) => mode === "040000" && isPlain(path));
  if (folders.length === 0) return [];
  const some = folders.slice(0, limits.repository_skills_max).map(({ path }) => `${path}/SKILL.md`);
  const found: FoundSkill[] = [];
  for (const { mode, sha, bytes, path } of await list(...some)) {
    if (!mode.startsWith("100") || bytes > limits.repository_skill_bytes_max) continue;
    const { code, stdout } = await git(["cat-file", "blob", sha]);
    if (code === 0) found.push(...skillIn(stdout, path));
  }
  return withinBounds(found);
}

/** All of them are told the model at once. */
function withinBounds(skills: readonly FoundSkill[]): FoundSkill[] {
  let room = limits.repository_skills_chars_max;
  return skills.filter(({ name, description, path }) => {
    room -= name.length + description.length + path.length;
    return room >= 0;
  });
}

function entryOf(line: string): TreeEntry[] {
  const [, mode, sha, bytes, path] = /^(\d{6}) \w+ ([0-9a-f]+) +(\d+|-)\t([\s\S]+)$/.exec(line) ?? [];
  return mode && sha && path ? [{ mode, sha, bytes: Number(bytes), path }] : [];
}

/** The model is shown it. */
const isPlain = (path: string) =>
  Buffer.byteLength(path) <= limits.skill_path_bytes_max && /^[\p{L}\p{N}._/ -]+$/u.test(path);

function skillIn(text: string, path: string): FoundSkill[] {
  const name = path.split("/").at(-2) ?? "";
  try {
    const said = frontMatterOf(Buffer.from(text));
    return [{ name: said.name ?? name, description: said.description, path }];
  } catch {
    return [];
  }
}
