import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "../driver.ts";
import { findProgram } from "./bwrap.ts";

/** Where sandboxes see the folder that `copySetpriv` fills. */
export const becomeInside = "/run/become";

/**
 * Copies the host's `setpriv` and what it is linked with into `folder`, and returns how it is begun inside. So it runs in
 * any root filesystem, and nothing of that one runs before a program's privileges are given up.
 */
export async function copySetpriv(folder: string): Promise<string[]> {
  const setpriv = findProgram("setpriv");
  if (!setpriv) throw new Unavailable("setpriv is not installed; install the package `util-linux`");
  const { stdout } = await promisify(execFile)("ldd", [setpriv]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  const loader = libraries.find((path) => basename(path).startsWith("ld-"));
  if (!loader) throw new Unavailable(`${setpriv} is linked with no loader that is known here`);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  for (const path of [setpriv, ...libraries]) {
    copyFileSync(path, join(folder, basename(path)));
    chmodSync(join(folder, basename(path)), 0o755);
  }
  const at = (path: string) => join(becomeInside, basename(path));
  return [at(loader), "--inhibit-cache", "--library-path", becomeInside, at(setpriv)];
}
