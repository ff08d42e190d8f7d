import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { buildImage } from "../hands/images/build.ts";
import { type Images, openImages } from "../hands/images/images.ts";
import { importImage } from "../hands/images/import.ts";
import { imageName } from "../protocol/environments.ts";
import { byteProgress, mib } from "./byte-progress.ts";
import { explain } from "./explain.ts";
import { lineProgress } from "./line-progress.ts";
import { configOrExit, prepareFolders } from "./machine.ts";

interface BuildArguments {
  suite: string;
  mirror: string;
  include: string[];
}

const out = process.stdout;

/** What sandboxes of this machine can be made of, instead of the programs that it has itself. */
export function imageCommand(): Command {
  return new Command("image")
    .description(
      "Root filesystems for the sandboxes of this machine, which environments name as their `image`",
    )
    .addCommand(
      new Command("build")
        .description("Make an image of a Debian or Ubuntu release, by debootstrap (as root)")
        .argument("<name>", "what environments call it", named)
        .option("--suite <name>", "the release's code name", word, "bookworm")
        .option("--mirror <url>", "where its packages come from", url, "http://deb.debian.org/debian")
        .option("--include <packages>", "packages to install in it, separated by commas", list, [])
        .action((name: string, options: BuildArguments) =>
          run("build", (...at) => build(name, options, ...at)),
        ),
    )
    .addCommand(
      new Command("import")
        .description("Make an image of an archive: an OCI image layout, or what `docker save` makes")
        .argument("<name>", "what environments call it", named)
        .argument("<archive>", "the .tar file")
        .action((name: string, archive: string) =>
          run("import", (...at) => importArchive(name, resolve(archive), ...at)),
        ),
    )
    .addCommand(
      new Command("list")
        .description("List the images of this machine")
        .action(() => run("list", async (images) => show(images))),
    )
    .addCommand(
      new Command("remove")
        .description("Remove an image that no sandbox uses")
        .argument("<name>")
        .action((name: string) =>
          run("remove", async (images) => {
            await images.remove(name);
            out.write(`removed ${name}\n`);
          }),
        ),
    );
}

/** An interrupt ends what is being done and takes away what it has left. */
async function run(
  command: string,
  work: (images: Images, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  try {
    const config = configOrExit();
    prepareFolders(config);
    const folder = join(config.data_dir, "hands");
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    await work(openImages(folder), stop.signal);
  } catch (error) {
    const what = stop.signal.aborted ? "interrupted; nothing of it is left" : explain(error);
    process.stderr.write(`drover image ${command}: ${what}\n`);
    process.exitCode = stop.signal.aborted ? 130 : 1;
  }
}

async function build(
  name: string,
  options: BuildArguments,
  images: Images,
  signal: AbortSignal,
): Promise<void> {
  const lines = lineProgress(process.stderr);
  try {
    const begin = (what: string) => lines.say(what);
    const progress = { begin, passed() {}, say: lines.say };
    const image = await buildImage(images, { name, ...options }, { progress, signal });
    lines.clear();
    out.write(`${image.name}: ${image.files} files, ${mib(image.bytes)} MiB, from ${image.origin}\n`);
  } finally {
    lines.clear();
  }
}

async function importArchive(
  name: string,
  archive: string,
  images: Images,
  signal: AbortSignal,
): Promise<void> {
  const progress = byteProgress(process.stderr);
  const ticking = setInterval(() => progress.passed(0), 250);
  try {
    const { image, left_out } = await importImage(images, { name, archive }, { progress, signal });
    progress.clear();
    out.write(`${image.name}: ${image.files} files, ${mib(image.bytes)} MiB, from ${image.origin}\n`);
    if (left_out > 0) out.write(`  left out: ${left_out} devices and pipes, which no sandbox can have\n`);
  } finally {
    clearInterval(ticking);
    progress.clear();
  }
}

function show(images: Images): void {
  const all = images.list();
  if (all.length === 0) out.write("no images; sandboxes have the programs of this machine\n");
  const width = Math.max(...all.map(({ name }) => name.length));
  for (const { name, made_at, bytes, origin } of all)
    out.write(`${name.padEnd(width)}  ${made_at.slice(0, 10)}  ${mib(bytes).padStart(6)} MiB  ${origin}\n`);
}

function named(text: string): string {
  const parsed = imageName.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? "is no name of an image");
}

function word(text: string): string {
  if (/^[a-z][a-z0-9.-]{0,99}$/.test(text)) return text;
  throw new InvalidArgumentError("must be the code name of a release, such as bookworm or noble");
}

function url(text: string): string {
  if (/^(https?|file):\/\/\S+$/.test(text)) return text;
  throw new InvalidArgumentError("must be an http, https or file URL");
}

function list(text: string): string[] {
  const names = text.split(",").filter((name) => name !== "");
  if (names.every((name) => /^[a-z0-9][a-z0-9.+-]*$/.test(name))) return names;
  throw new InvalidArgumentError("must be names of packages, separated by commas");
}
