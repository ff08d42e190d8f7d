import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { z } from "zod";
import { limits } from "../../../limits.ts";
import {
  type ImageConfig,
  imageConfig,
  type OciDescriptor,
  ociIndex,
  ociManifest,
  savedImages,
} from "./documents.ts";
import { readRange } from "./read-range.ts";
import { readTar } from "./tar.ts";

/** A layer in the archive, and what it must turn out to be. */
export interface Layer {
  start: number;
  size: number;
  /** Of the bytes in the archive; null where nothing says it. */
  digest: string | null;
  /** Of the layer's own archive, once unpacked. */
  diff_id: string;
}

export interface FoundImage {
  layers: Layer[];
  config: ImageConfig;
  /** Tells this content from any other. */
  digest: string;
}

/** The one image in a file that is open: of an OCI layout or of `docker save`, for machines like this one. */
export async function findLayers(archive: number): Promise<FoundImage> {
  const parts = await partsOf(archive);
  const found = parts.has("index.json") ? fromLayout(parts) : fromSaved(parts);
  const { layers, config } = found;
  const { os, architecture } = config;
  if (os !== "linux" || architecture !== here)
    throw new Error(`the image is for ${os} on ${architecture}, and this machine is linux on ${here}`);
  if (layers.length > limits.image_layers_max)
    throw new Error(`the image has ${layers.length} layers, more than ${limits.image_layers_max}`);
  if (layers.length !== config.rootfs.diff_ids.length)
    throw new Error("the archive is damaged: the image's configuration names other layers");
  return found;
}

const here = process.arch === "x64" ? "amd64" : process.arch;

interface Parts {
  has(path: string): boolean;
  place(path: string): { start: number; size: number };
  /** Throws when it is not what its digest says. */
  read(path: string, digest: string | null): Buffer;
}

async function partsOf(archive: number): Promise<Parts> {
  const places = new Map<string, { start: number; size: number }>();
  const links = new Map<string, string>();
  const magic = Buffer.alloc(4);
  readSync(archive, magic, 0, 4, 0);
  if (magic.readUInt16BE() === 0x1f8b || magic.readUInt32LE() === 0xfd2fb528)
    throw new Error(
      "the archive is compressed as a whole: unpack it first (gunzip, unzstd), the layers in it may be",
    );
  for await (const { path, type, offset, size, target } of readTar(readRange(archive, 0))) {
    const name = plain(path);
    if (type === "file") places.set(name, { start: offset, size });
    else if (type === "link") links.set(name, plain(`${name.slice(0, name.lastIndexOf("/") + 1)}${target}`));
    if (places.size + links.size > limits.image_archive_parts_max)
      throw new Error("the archive holds too many files for one of images");
  }
  const place = (path: string) => {
    const found = places.get(plain(path)) ?? places.get(links.get(plain(path)) ?? "");
    if (!found) throw new Error(`the archive is damaged: it has no ${JSON.stringify(path)}`);
    return found;
  };
  return {
    has: (path) => places.has(path),
    place,
    read(path, digest) {
      const { start, size } = place(path);
      if (size > limits.image_document_bytes_max)
        throw new Error(`the archive is damaged: ${JSON.stringify(path)} is too large`);
      const bytes = Buffer.alloc(size);
      for (let at = 0; at < size; ) {
        const count = readSync(archive, bytes, at, size - at, start + at);
        if (count === 0) throw new Error("the archive is cut short");
        at += count;
      }
      if (digest !== null && digest !== `sha256:${createHash("sha256").update(bytes).digest("hex")}`)
        throw new Error(`the archive is damaged: ${JSON.stringify(path)} is not what its digest says`);
      return bytes;
    },
  };
}

/** Without `.` and `..`, which older archives name layers with. */
function plain(path: string): string {
  const done: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") done.pop();
    else if (part !== "" && part !== ".") done.push(part);
  }
  return done.join("/");
}

const blobPath = (digest: string) => `blobs/${digest.replace(":", "/")}`;

function parsed<T>(shape: z.ZodType<T>, bytes: Buffer, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new Error(`the archive is damaged: its ${what} is not JSON`);
  }
  const result = shape.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`the archive's ${what} cannot be used: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** Images of others than machines are attestations. */
const isOther = ({ platform, annotations }: OciDescriptor) =>
  platform?.os === "unknown" || annotations?.["vnd.docker.reference.type"] !== undefined;

const indexesDeep = 4;

function fromLayout(parts: Parts): FoundImage {
  let bytes = parts.read("index.json", null);
  for (let deep = 0; deep < indexesDeep; deep += 1) {
    const all = parsed(ociIndex, bytes, "index").manifests.filter((each) => !isOther(each));
    const fitting = all.filter(({ platform }) => platform?.os === "linux" && platform.architecture === here);
    const [chosen, ...others] = unique(all.length === 1 ? all : fitting.length > 0 ? fitting : all);
    if (!chosen) throw new Error("the archive holds no image");
    if (others.length > 0) throw new Error("the archive holds several images: make one with a single image");
    bytes = parts.read(blobPath(chosen.digest), chosen.digest);
    if (z.object({ manifests: z.array(z.unknown()) }).safeParse(JSON.parse(bytes.toString())).success)
      continue;
    const manifest = parsed(ociManifest, bytes, "manifest");
    const { digest } = manifest.config;
    const config = parsed(imageConfig, parts.read(blobPath(digest), digest), "configuration");
    const layers = manifest.layers.map((layer, n) => {
      const { start, size } = parts.place(blobPath(layer.digest));
      return { start, size, digest: layer.digest, diff_id: config.rootfs.diff_ids[n] ?? "" };
    });
    return { layers, config, digest };
  }
  throw new Error("the archive is damaged: its indexes lead to no image");
}

const unique = (all: OciDescriptor[]) => [...new Map(all.map((each) => [each.digest, each])).values()];

function fromSaved(parts: Parts): FoundImage {
  if (!parts.has("manifest.json"))
    throw new Error("this is neither an OCI layout (index.json) nor made by `docker save` (manifest.json)");
  const [saved, ...others] = parsed(savedImages, parts.read("manifest.json", null), "manifest");
  if (!saved) throw new Error("the archive holds no image");
  if (others.length > 0) throw new Error("the archive holds several images: save a single one");
  const bytes = parts.read(saved.Config, null);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const [, named] = /([0-9a-f]{64})(?:\.json)?$/.exec(saved.Config) ?? [];
  if (named !== undefined && digest !== `sha256:${named}`)
    throw new Error("the archive is damaged: the image's configuration is not what its digest says");
  const config = parsed(imageConfig, bytes, "configuration");
  const layers = saved.Layers.map((path, n) => {
    const { start, size } = parts.place(path);
    return { start, size, digest: null, diff_id: config.rootfs.diff_ids[n] ?? "" };
  });
  return { layers, config, digest };
}
