import { limits } from "../limits.ts";

/** Where the files of a session are in its sandbox, and how clients say so. */

export const uploadsRoot = "/mnt/session/uploads";

/** Folders of a sandbox that files of a session never lie in: who names one means another place than they would get. */
const others =
  /^\/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var|workspace)(\/|$)/;

/** The absolute path that a client means: what is not beneath the root already is placed there. */
export function mountPathOf(text: string): string {
  if (text.startsWith(`${uploadsRoot}/`)) return text;
  return text.startsWith("/") ? `${uploadsRoot}${text}` : `${uploadsRoot}/${text}`;
}

/** Why nothing can be mounted there, or null. */
export function mountPathProblem(text: string): string | null {
  if (!text.isWellFormed()) return "must be well-formed Unicode";
  if (/[\p{Cc}\\]/u.test(text)) return "must hold neither control characters nor backslashes";
  if (Buffer.byteLength(mountPathOf(text)) > limits.mount_path_bytes_max)
    return `must take at most ${limits.mount_path_bytes_max} bytes, with ${uploadsRoot}/ before it`;
  if (!text.startsWith(`${uploadsRoot}/`) && others.test(text))
    return `files are mounted under ${uploadsRoot}: name a path there, or one relative to it`;
  return namesProblem(mountPathOf(text).slice(uploadsRoot.length + 1));
}

function namesProblem(path: string): string | null {
  const names = path.split("/");
  if (names.some((name) => name === "" || name === "." || name === ".."))
    return 'must name a place, without empty names, "." and ".." on the way';
  if (names.some((name) => Buffer.byteLength(name) > limits.mount_name_bytes_max))
    return `must hold no name of more than ${limits.mount_name_bytes_max} bytes`;
  return null;
}

const workspace = "/workspace";

/** Of a repository: the absolute path that a client means. */
export const workspacePathOf = (text: string): string =>
  text.startsWith("/") ? text : `${workspace}/${text}`;

/** Why no repository can be cloned to it, or null. What begins with `.drover` is the server's own. */
export function workspacePathProblem(text: string): string | null {
  if (!text.isWellFormed()) return "must be well-formed Unicode";
  if (/[\p{Cc}\\]/u.test(text)) return "must hold neither control characters nor backslashes";
  const path = workspacePathOf(text);
  if (Buffer.byteLength(path) > limits.mount_path_bytes_max)
    return `must take at most ${limits.mount_path_bytes_max} bytes`;
  if (!path.startsWith(`${workspace}/`) || path.startsWith(`${workspace}/.drover`))
    return `repositories are cloned to folders beneath ${workspace}`;
  return namesProblem(path.slice(workspace.length + 1));
}

/** Whether two files cannot be at these paths at once: they are one, or one would have to be a folder for the other. */
export const pathsCollide = (one: string, other: string): boolean =>
  one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
