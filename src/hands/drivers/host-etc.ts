import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { type NetworkKind, ownEtcPaths, sharedEtc } from "./root-filesystem.ts";

/** Where the /etc of sandboxes with such a network lies. */
export type EtcFolder = (network: NetworkKind) => string;

/**
 * What sandboxes have of the host's /etc, copied into one folder with the files of `own` in place of the host's: to mount
 * each of them by itself took half of the time in which a sandbox starts. It is copied anew when the host's has changed.
 * What was copied before stays, for there may be sandboxes that have it.
 */
export function copiesOfEtc(folder: string, own: string, etc = "/etc"): EtcFolder {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const name of readdirSync(folder)) {
    if (name.endsWith(partial)) rmSync(join(folder, name), { recursive: true, force: true });
  }
  const ownFiles = { none: ownEtcPaths(own, "none"), open: ownEtcPaths(own, "open") };
  const ownContent = Object.values(ownFiles).flatMap((files) =>
    Object.values(files).map((path) => readFileSync(path)),
  );

  function copyAll(path: string, names: string[]): void {
    const beside = `${path}.${process.pid}${partial}`;
    let copied: string | null = null;
    for (const [network, files] of Object.entries(ownFiles)) {
      const into = join(beside, network);
      mkdirSync(into, { recursive: true, mode: 0o755 });
      const shared = copied === null ? names : names.filter((name) => existsSync(join(copied ?? "", name)));
      // Certificates alone are hundreds of files. Nobody writes to them, so the second has the first's.
      const how = copied === null ? "-H" : "--link";
      if (shared.length > 0) copy([how, "--parents", "--", ...shared, into], copied ?? etc);
      copied ??= into;
      for (const [name, from] of Object.entries(files)) copyFileSync(from, join(into, name));
    }
    renameSync(beside, path);
  }

  return (network) => {
    const hash = createHash("sha256");
    const names = sharedEtc.filter((name) => {
      const found = statSync(join(etc, name), { throwIfNoEntry: false });
      if (found) hash.update(`${name} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}\n`);
      return found !== undefined;
    });
    for (const content of ownContent) hash.update(content);
    const path = join(folder, hash.digest("hex").slice(0, 16));
    if (!existsSync(path)) copyAll(path, names);
    return join(path, network);
  };
}

const partial = ".part";

/** What this user cannot read is not for sandboxes either. */
function copy(args: string[], cwd: string): void {
  const { status, stderr, error } = spawnSync("cp", ["-a", ...args], {
    cwd,
    encoding: "utf8",
    env: { PATH: `${process.env.PATH ?? ""}:/usr/bin:/bin`, LC_ALL: "C" },
  });
  if (error) throw error;
  const wrong = stderr.split("\n").filter((line) => line !== "" && !line.endsWith("Permission denied"));
  if (status !== 0 && wrong.length > 0)
    throw new Error(`/etc could not be copied for sandboxes: ${wrong[0]}`);
}
