import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { type Made, tar } from "./archive/testing-archives.ts";

const programs = [
  "bash",
  "sh",
  "env",
  "cat",
  "ls",
  "id",
  "stat",
  "mkdir",
  "mktemp",
  "sleep",
  "rm",
  "mv",
  "head",
  "base64",
];

/** A layer with a few of this machine's programs and what they load: enough for a sandbox. */
export function programsLayer(more: Made[] = []): Buffer {
  const paths = new Set<string>();
  for (const name of programs) {
    const path = realpathSync(execFileSync("which", [name], { encoding: "utf8" }).trim());
    paths.add(path);
    const loaded = execFileSync("ldd", [path], { encoding: "utf8" });
    for (const [, library = ""] of loaded.matchAll(/(\/\S+) \(0x/g)) paths.add(library);
  }
  const files = [...paths].map((path) => realFile(path));
  const links = programs
    .map((name) => ({ path: `usr/bin/${name}`, target: realpathSync(`/usr/bin/${name}`) }))
    .filter(({ path, target }) => `/${path}` !== target)
    .map(({ path, target }): Made => ({ path, type: "link", target }));
  const merged = ["bin", "lib", "lib64", "sbin"].flatMap((name): Made[] =>
    lstatSync(`/${name}`).isSymbolicLink()
      ? [{ path: name, type: "link", target: readlinkSync(`/${name}`) }]
      : [],
  );
  return tar([
    { path: "usr/bin", type: "folder" },
    { path: "usr/lib64", type: "folder" },
    ...merged,
    ...files,
    ...links,
    ...more,
  ]);
}

/** Under the name by which it is loaded. */
function realFile(path: string): Made {
  const folder = realpathSync(dirname(path));
  return { path: `${folder}/${path.split("/").at(-1)}`.slice(1), content: readFileSync(path), mode: 0o755 };
}
