import { posix } from "node:path";
import { skillsFolder } from "../protocol/skills.ts";
import { expandBraces } from "../tools/glob.ts";

/**
 * What the policy `auto` allows without asking anybody: reading what lies in the workspace, in /mnt/session or in
 * /mnt/skills. It knows the text of a call alone, so what it cannot tell from the text it leaves to the judge.
 *
 * A path with `..` in it is left to the judge, wherever it seems to lead: behind a symbolic link `..` is the parent of
 * what the link names. A link itself is followed, and may lead out of the workspace. That is no leak: the tools act
 * inside the sandbox, which holds no credential and nothing of its host but the programs of its root file system, and
 * the session's commands may read all of it anyway.
 */
export function isSettled(name: string, input: Record<string, unknown>): boolean {
  switch (name) {
    case "read":
      return isInside(input.file_path);
    case "grep":
      return isInside(input.path ?? workspace);
    case "glob":
      return isInside(input.path ?? workspace) && staysInside(input.pattern);
    default:
      return false;
  }
}

const workspace = "/workspace";
const readable = [workspace, "/mnt/session", skillsFolder];

/** A first `-` is something else than a file to several programs. */
function isInside(path: unknown): boolean {
  if (typeof path !== "string" || path === "" || path.startsWith("-") || climbs(path)) return false;
  const whole = posix.resolve(workspace, path);
  return readable.some((folder) => whole === folder || whole.startsWith(`${folder}/`));
}

const climbs = (path: string) => path.split("/").includes("..");

/**
 * Each pattern that the tool will expand, relative or within what may be read. A dot before a wildcard can match `..`,
 * and so can one that is quoted with a backslash.
 */
function staysInside(pattern: unknown): boolean {
  if (typeof pattern !== "string" || pattern.includes("\\")) return false;
  return expandBraces(pattern).every(
    (one) => isInside(one) && !one.split("/").some((part) => /^\.[*?[]/.test(part)),
  );
}
