import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { ownEtcNames } from "../../drivers/root-filesystem.ts";
import { bytesOf, type InsideRoot } from "./inside-root.ts";

/** What sandboxes have in these places is their own. */
const ownFolders = ["dev", "proc", "sys", "run", "tmp"];
const bundle = ["etc", "ssl", "certs", "ca-certificates.crt"];

/**
 * Makes a root filesystem one of sandboxes: places for what they bring along, authorities to trust if it has none
 * (those in the file `authorities`), nothing that changes who a program runs as, and nothing that not all can read.
 */
export function finish(
  rootfs: string,
  root: InsideRoot,
  authorities: string,
): { files: number; bytes: number } {
  for (const name of ownFolders) {
    rmSync(`${rootfs}/${name}`, { recursive: true, force: true });
    mkdirSync(`${rootfs}/${name}`);
  }
  const etc = realFolder(`${rootfs}/etc`);
  for (const name of ownEtcNames) {
    const found = lstatSync(`${etc}/${name}`, { throwIfNoEntry: false });
    if (found?.isFile()) continue;
    rmSync(`${etc}/${name}`, { recursive: true, force: true });
    writeFileSync(`${etc}/${name}`, "");
  }
  const variable = realFolder(`${rootfs}/var`);
  rmSync(`${variable}/tmp`, { recursive: true, force: true });
  symlinkSync("/tmp", `${variable}/tmp`);
  if (root.find(bundle) === null && existsSync(authorities)) {
    const path = `${root.folder(bundle.slice(0, -1))}/${bundle.at(-1)}`;
    rmSync(bytesOf(path), { force: true });
    copyFileSync(authorities, bytesOf(path));
  }
  if (root.find(["bin", "bash"]) === null)
    throw new Error("the image has no /bin/bash, which sandboxes need: install bash in it");
  return opened(rootfs);
}

function realFolder(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(path);
  mkdirSync(path, { recursive: true });
  return path;
}

function opened(top: string): { files: number; bytes: number } {
  const counted = { files: 0, bytes: 0 };
  const todo = [top];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    chmodSync(bytesOf(folder), 0o755);
    for (const name of readdirSync(bytesOf(folder), "buffer")) {
      const path = `${folder}/${name.toString("latin1")}`;
      const found = lstatSync(bytesOf(path));
      counted.files += 1;
      if (found.isDirectory()) todo.push(path);
      else if (found.isFile()) {
        counted.bytes += found.size;
        const mode = 0o644 | (found.mode & 0o100 ? 0o111 : 0);
        if ((found.mode & 0o7777) !== mode) chmodSync(bytesOf(path), mode);
      } else if (!found.isSymbolicLink()) unlinkSync(bytesOf(path));
    }
  }
  return counted;
}
