import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PackageManager } from "../../protocol/environments.ts";
import { type Namespace, SetupFailed, type SetupLine, type SetupStage, Unavailable } from "../driver.ts";
import { isUsrMerged, packagingEtc, sharedEtc } from "../drivers/root-filesystem.ts";
import type { User } from "../drivers/sandbox-folders.ts";
import type { Image } from "../images/images.ts";
import { removeTree } from "../remove-tree.ts";
import type { SandboxSpec } from "../wire.ts";
import { type FakeRoot, type FakeRootEnd, runAsFakeRoot } from "./fake-root.ts";
import { finishLayer } from "./finish-layer.ts";
import { foldersOf, overlayOf } from "./layer.ts";
import { type Installing, installing } from "./managers.ts";

export interface LayerOrder {
  packages: SandboxSpec["packages"];
  image: Image | null;
  network: Namespace | undefined;
  signal: AbortSignal;
  onLine(line: SetupLine): void;
}

export interface BuiltLayer {
  env: Record<string, string>;
  bytes: number;
}

/**
 * Installs packages into the layer folder `path`, which is empty and belongs to `user`. Throws `SetupFailed` with the words
 * of the package manager that failed.
 */
export async function buildLayer(
  path: string,
  user: User,
  order: LayerOrder,
  fakeRoot: FakeRoot,
): Promise<BuiltLayer> {
  const { packages, image, network, signal, onLine } = order;
  const layer = foldersOf(path);
  const own = { work: join(path, "work"), tmp: join(path, "tmp") };
  await prepare(layer.upper, user, image, fakeRoot.host_etc ?? "/etc");
  for (const folder of [layer.root, join(layer.root, "usr"), own.work, own.tmp])
    await asUser(user, "mkdir", "-p", folder);
  const overlay = overlayOf(layer, image, own);
  const run = (script: string, names: readonly string[], hear: (line: string) => void) =>
    runAsFakeRoot(
      { layer, overlay, image, tmp: own.tmp, user, network, signal, script, names, onLine: hear },
      fakeRoot,
    );

  let last: SetupStage | null = null;
  for (const each of installing) {
    const names = packages[each.manager];
    if (names.length === 0) continue;
    const stage = { type: "packages", manager: each.manager } as const;
    last = stage;
    const hear = (line: string) => onLine({ stage, line });
    const couldNot = `${each.manager} could not install ${names.join(", ")}`;
    const endedBy = ({ why }: FakeRootEnd) => {
      if (signal.reason instanceof Unavailable) throw signal.reason;
      if (why !== null) throw new SetupFailed(stage, `${couldNot}: ${why}`);
    };
    const probed = await run(each.probe, [], () => {});
    endedBy(probed);
    if (probed.code !== 0) throw new SetupFailed(stage, missing(each, image));
    const installed = await run(each.script, names, hear);
    endedBy(installed);
    if (installed.code !== 0) throw new SetupFailed(stage, `${couldNot}: ${installed.said}`);
  }
  const env = packages.npm.length > 0 ? await nodePath(run) : {};
  for (const folder of [own.work, own.tmp]) await removeTree(folder);
  try {
    return { env, bytes: await finishLayer(layer, image) };
  } catch (error) {
    throw last && error instanceof Unavailable ? new SetupFailed(last, error.message) : error;
  }
}

/** Where programs of node look for modules that were installed for all. */
async function nodePath(
  run: (script: string, names: string[], hear: () => void) => Promise<{ said: string }>,
): Promise<Record<string, string>> {
  const { said } = await run("npm root --global 2>/dev/null", [], () => {});
  return said.startsWith("/") && !said.includes("\n") ? { NODE_PATH: said } : {};
}

async function prepare(upper: string, user: User, image: Image | null, etc: string): Promise<void> {
  await asUser(user, "mkdir", upper);
  if (image) return;
  if (!isUsrMerged())
    throw new Unavailable(
      "packages need an image on this sandbox host, whose /bin and /lib are not within /usr",
    );
  const script = readFileSync(new URL("./prepare-host.bash", import.meta.url), "utf8");
  await asUser(user, "bash", "-c", script, "prepare-host", upper, etc, ...sharedEtc, ...packagingEtc);
}

async function asUser(user: User, program: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(program, args, {
    ...user,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

function missing({ manager, debian }: Installing, image: Image | null): string {
  const where = image ? `the image ${image.name}` : "the sandbox host, whose own programs sandboxes have";
  const remedy =
    debian === null
      ? "name an image that has it: `drover image build` makes one of Debian"
      : `name an image that has it (\`drover image build <name> --include ${debian}\` makes one), or add ${debian} to the packages of apt`;
  return `${where} has no ${managerNames[manager]}: ${remedy}`;
}

const managerNames: Record<PackageManager, string> = {
  apt: "apt-get and dpkg",
  cargo: "cargo",
  gem: "gem",
  go: "go",
  npm: "npm",
  pip: "pip (python3 -m pip)",
};
