import { lstatSync, mkdirSync, readlinkSync, rmSync } from "node:fs";

/**
 * Paths as programs in a root filesystem see them: a link leads to where it leads there, and nothing leads out of it.
 * Names are bytes, one character each.
 */
export interface InsideRoot {
  /** The folder that `parts` lead to, made where there is none; what is in its way and no folder goes. */
  folder(parts: readonly string[]): string;
  /** Null where there is none. */
  find(parts: readonly string[]): string | null;
  /** After a link was made or something removed. */
  changed(): void;
}

const linksMax = 40;

export const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1");

export function insideRoot(root: string): InsideRoot {
  const known = new Map<string, string>();

  function walk(parts: readonly string[], make: boolean): string | null {
    const todo = [...parts];
    let done: string[] = [];
    let links = 0;
    while (todo.length > 0) {
      const part = todo.shift() ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        done.pop();
        continue;
      }
      const path = [root, ...done, part].join("/");
      const found = lstatSync(bytesOf(path), { throwIfNoEntry: false });
      if (found?.isSymbolicLink()) {
        links += 1;
        if (links > linksMax) throw new Error("the image holds links that lead in a circle");
        const target = readlinkSync(bytesOf(path), "buffer").toString("latin1");
        if (target.startsWith("/")) done = [];
        todo.unshift(...target.split("/"));
        continue;
      }
      if (!found?.isDirectory() && (make || todo.length > 0)) {
        if (!make) return null;
        if (found) rmSync(bytesOf(path));
        mkdirSync(bytesOf(path), { mode: 0o755 });
      } else if (!found) return null;
      done.push(part);
    }
    return [root, ...done].join("/");
  }

  return {
    folder(parts) {
      const key = parts.join("/");
      const path = known.get(key) ?? walk(parts, true) ?? root;
      known.set(key, path);
      return path;
    },
    find: (parts) => walk(parts, false),
    changed: () => known.clear(),
  };
}
