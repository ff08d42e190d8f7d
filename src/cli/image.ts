import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { buildImage } from "../hands/images/build.ts";
import { type Image, type Images, openImages } from "../hands/images/images.ts";
import { importImage } from "../hands/images/import.ts";
import { imageName } from "../protocol/environments.ts";
import { byteProgress, mib } from "./byte-progress.ts";
import { explain } from "./explain.ts";
import { lineProgress } from "./line-progress.ts";
import { configOrExit, prepareFolders } from "./machine.ts";
import { type Form, printDrawn, printLine } from "./print.ts";
import { visibleLine } from "./terminal.ts";

interface BuildArguments extends Form {
  suite: string;
  mirror: string;
  include: string[];
}

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
        .option("--json", "print the image as JSON")
        .action((name: string, options: BuildArguments) =>
          run("build", (...at) => build(name, options, ...at)),
        ),
    )
    .addCommand(
      new Command("import")
        .description("Make an image of an archive: an OCI image layout, or what `docker save` makes")
        .argument("<name>", "what environments call it", named)
        .argument("<archive>", "the .tar file")
        .option("--json", "print the image as JSON")
        .action((name: string, archive: string, form: Form) =>
          run("import", (...at) => importArchive(name, resolve(archive), form, ...at)),
        ),
    )
    .addCommand(
      new Command("list")
        .alias("ls")
        .description("List the images of this machine")
        .option("--json", "print an array of JSON")
        .action((form: Form) =>
          run("list", async (images) => printDrawn(form, images.list().map(about), drawn)),
        ),
    )
    .addCommand(
      new Command("remove")
        .description("Remove an image that no sandbox uses")
        .argument("<name>", "what environments call it")
        .option("--json", "print its name as JSON")
        .action((name: string, form: Form) =>
          run("remove", async (images) => {
            await images.remove(name);
            printLine(form, { name, removed: true }, `removed ${name}`);
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
    printDrawn(options, about(image), madeLine);
  } finally {
    lines.clear();
  }
}

async function importArchive(
  name: string,
  archive: string,
  form: Form,
  images: Images,
  signal: AbortSignal,
): Promise<void> {
  const progress = byteProgress(process.stderr);
  const ticking = setInterval(() => progress.passed(0), 250);
  try {
    const { image, left_out } = await importImage(images, { name, archive }, { progress, signal });
    progress.clear();
    printDrawn(form, { ...about(image), left_out }, (made) =>
      left_out === 0
        ? madeLine(made)
        : `${madeLine(made)}  left out: ${left_out} devices and pipes, which no sandbox can have\n`,
    );
  } finally {
    clearInterval(ticking);
    progress.clear();
  }
}

type About = Omit<Image, "rootfs">;

/** Where its files lie is the host's affair. */
const about = ({ rootfs: _, ...image }: Image): About => image;

const madeLine = ({ name, files, bytes, origin }: About): string =>
  `${visibleLine(`${name}: ${files} files, ${mib(bytes)} MiB, from ${origin}`)}\n`;

function drawn(all: About[]): string {
  if (all.length === 0) return "no images; sandboxes have the programs of this machine\n";
  const width = Math.max(...all.map(({ name }) => name.length));
  return all
    .map(({ name, made_at, bytes, origin }) => {
      const size = `${mib(bytes).padStart(6)} MiB`;
      return `${visibleLine(`${name.padEnd(width)}  ${made_at.slice(0, 10)}  ${size}  ${origin}`)}\n`;
    })
    .join("");
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
