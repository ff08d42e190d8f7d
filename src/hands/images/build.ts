import { type ChildProcess, execFile, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readLines } from "../../net/lines.ts";
import { findProgram } from "../drivers/bwrap.ts";
import { confined } from "./confined.ts";
import type { Image, Images } from "./images.ts";
import type { ImageProgress } from "./import.ts";
import { imageOwner } from "./owner.ts";

export interface BuildOptions {
  name: string;
  /** A release of Debian or Ubuntu, by its code name. */
  suite: string;
  mirror: string;
  /** Packages beside those that every system has. */
  include: string[];
}

const always = ["ca-certificates"];
const wordsKept = 20;
const lineBytesMax = 64 << 10;

/** Makes an image of a Debian or Ubuntu release, by debootstrap, which only root can run. */
export async function buildImage(
  images: Images,
  { name, suite, mirror, include }: BuildOptions,
  { progress, signal }: { progress: ImageProgress & { say(line: string): void }; signal: AbortSignal },
): Promise<Image> {
  const user = imageOwner();
  if (user.uid === undefined)
    throw new Error("only root can build an image; `drover image import` needs no root");
  const debootstrap = findProgram("debootstrap");
  if (!debootstrap) throw new Error("debootstrap is not installed; install the package `debootstrap`");
  const staging = images.stage(name);
  try {
    const inNamespaces = async (...argv: string[]) => {
      const child = spawn("unshare", [...namespaces, ...argv], {
        ...{ cwd: "/", env: environment, signal },
        stdio: ["ignore", "pipe", "pipe"],
      });
      await finished(child, progress.say);
    };
    await inNamespaces("--", debootstrap, "--variant=minbase", suite, staging.rootfs, mirror);
    await prepareApt(staging.rootfs);
    const inside = [
      "--",
      "sh",
      "-c",
      'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"',
      staging.rootfs,
    ];
    // By apt and not by debootstrap, which does not always find the order in which they can be configured.
    await inNamespaces(...inside, "apt-get", "update");
    await inNamespaces(...inside, ...install, ...new Set([...always, ...include]));
    await inNamespaces(...inside, "apt-get", "clean");
    progress.begin("looking through the files", null);
    await promisify(execFile)("chown", ["-R", "-h", `${user.uid}:${user.gid}`, staging.rootfs]);
    const { files, bytes } = await confined({
      job: "finish",
      rootfs: staging.rootfs,
      user,
      signal,
      onSaid() {},
    });
    signal.throwIfAborted();
    return staging.commit({ origin: `debootstrap of ${suite} from ${mirror}`, env: {}, files, bytes });
  } catch (error) {
    await staging.discard();
    throw error;
  }
}

const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LANG: "C.UTF-8",
  HOME: "/root",
  DEBIAN_FRONTEND: "noninteractive",
};
/** With them everything ends that was started and mounted in them. */
const namespaces = ["--mount", "--pid", "--fork", "--kill-child=KILL"];
const install = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"];

/** No service starts, and apt has no user of its own: there is one user alone in sandboxes. */
async function prepareApt(rootfs: string): Promise<void> {
  await writeFile(join(rootfs, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  await writeFile(join(rootfs, "etc/apt/apt.conf.d/50sandbox"), 'APT::Sandbox::User "root";\n');
}

/** Throws with its last words when it fails. */
async function finished(child: ChildProcess, say: (line: string) => void): Promise<void> {
  const words: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    readLines(stream, lineBytesMax, {
      line(text) {
        words.push(text);
        if (words.length > wordsKept) words.shift();
        say(text);
      },
      tooLong: () => child.kill("SIGKILL"),
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`it could not be made: ${words.join("\n")}`);
}
