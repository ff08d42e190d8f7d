import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { packageManagers } from "../../protocol/environments.ts";
import type { Image } from "../images/images.ts";
import type { SandboxSpec } from "../wire.ts";

/** Raised when layers are made in another way. */
const version = 1;

/** Where systems write down what is installed. */
const installed = [
  "/var/lib/dpkg/status",
  "/var/lib/rpm/rpmdb.sqlite",
  "/lib/apk/db/installed",
  "/var/lib/pacman/local",
];

/** Tells layers apart: what lies below them, and what is in them. Null where nothing is to be installed. */
export function layerKey(packages: SandboxSpec["packages"], image: Image | null): string | null {
  const lists = packageManagers.flatMap((manager) =>
    packages[manager].length > 0 ? [[manager, packages[manager]]] : [],
  );
  if (lists.length === 0) return null;
  const below = image?.id ?? hostIdentity();
  const text = JSON.stringify([version, process.arch, below, lists]);
  return createHash("sha256").update(text).digest("hex").slice(0, 40);
}

/** Another one when something is installed on the host, or removed. */
function hostIdentity(): unknown {
  const found = installed.flatMap((path) => {
    const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
    return size === undefined ? [] : [[path, size, mtimeMs]];
  });
  return [readFileSync("/etc/os-release", "utf8"), found];
}
