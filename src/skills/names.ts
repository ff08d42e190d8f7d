import { limits } from "../limits.ts";
import { invalid } from "../protocol/errors.ts";

/** Names of files as clients and archives give them, which mean the same to every system or are refused. */

/** As it is told in an error. */
export const shown = (name: string): string => JSON.stringify(name.slice(0, 200).toWellFormed());

/** The parts of a relative path. */
export function componentsOf(name: string): string[] {
  const refuse = (why: string) => invalid(`files: ${shown(name)}: ${why}`);
  if (/\p{Cc}|[\u2028\u2029]/u.test(name) || !name.isWellFormed())
    throw refuse("a name may not contain control characters");
  if (name.includes("\\")) throw refuse("a path is written with / and not with \\");
  if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) throw refuse("a path must be relative");
  if (Buffer.byteLength(name) > limits.skill_path_bytes_max)
    throw refuse(`a path may have ${limits.skill_path_bytes_max} bytes at most`);
  const components = name.split("/");
  if (components.some((component) => component === "." || component === ".."))
    throw refuse("a path may not contain . or ..");
  if (components.some((component) => component === "")) throw refuse("a path may not have empty parts");
  if (components.some((component) => Buffer.byteLength(component) > limits.skill_name_bytes_max))
    throw refuse(`a name may have ${limits.skill_name_bytes_max} bytes at most`);
  if (components.length > limits.skill_depth_max + 1)
    throw refuse(`folders may lie ${limits.skill_depth_max} deep at most`);
  return components;
}

/** What macOS leaves in archives. */
export const isJunk = (components: readonly string[]): boolean =>
  components[0] === "__MACOSX" || components.at(-1) === ".DS_Store";

/** Some systems see no difference between such names. */
const sameAs = (path: string) => path.normalize("NFC").toUpperCase().toLowerCase();

/** Refuses what not every system can hold beside what came before it. */
export function createOneEach(): (components: readonly string[]) => void {
  const known = new Map<string, { path: string; isFile: boolean }>();
  return (components) => {
    for (let length = 1; length <= components.length; length += 1) {
      const path = components.slice(0, length).join("/");
      const isFile = length === components.length;
      const other = known.get(sameAs(path));
      if (other && (isFile || other.isFile || other.path !== path))
        throw invalid(
          `files: ${shown(path)}: there is ${shown(other.path)} too; names must differ by more than case`,
        );
      known.set(sameAs(path), { path, isFile });
    }
  };
}
