import { createHash } from "node:crypto";

/** What a test puts into an archive. */
export interface Made {
  path: string;
  type?: "file" | "folder" | "link" | "hard_link" | "device" | "pipe";
  content?: Buffer | string;
  target?: string;
  mode?: number;
}

const letters = { file: "0", hard_link: "1", link: "2", device: "3", folder: "5", pipe: "6" };

export function tar(entries: Made[]): Buffer {
  const parts = entries.flatMap(({ path, type = "file", content = "", target = "", mode = 0o644 }) => {
    const bytes = Buffer.from(content);
    const records = [
      ...(Buffer.byteLength(path) > 100 ? [pax("path", path)] : []),
      ...(Buffer.byteLength(target) > 100 ? [pax("linkpath", target)] : []),
    ].flatMap((record) => [header("pax", "x", record.length, 0o644, ""), padded(record)]);
    return [...records, header(path, letters[type], bytes.length, mode, target), padded(bytes)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1_024)]);
}

function header(path: string, letter: string, size: number, mode: number, target: string): Buffer {
  const bytes = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  bytes.write(path.slice(0, 100), 0, "utf8");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(1_700_000_000, 136, 12);
  bytes.fill(" ", 148, 156);
  bytes.write(letter, 156);
  bytes.write(target.slice(0, 100), 157, "utf8");
  bytes.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

function pax(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);

export const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const blob = (bytes: Buffer): Made => ({ path: `blobs/${sha256(bytes).replace(":", "/")}`, content: bytes });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

export interface ArchiveOptions {
  env?: string[];
  pack?(layer: Buffer, n: number): Buffer;
  /** Of the layer `n`, in place of what it has. */
  diff_id?(n: number, right: string): string;
  architecture?: string;
}

/** An OCI image layout of one image. */
export function ociArchive(layers: Buffer[], options: ArchiveOptions = {}): Buffer {
  const { pack = (layer) => layer } = options;
  const packed = layers.map(pack);
  const config = configOf(layers, options);
  const manifest = json({
    schemaVersion: 2,
    config: { digest: sha256(config), size: config.length },
    layers: packed.map((layer) => ({ digest: sha256(layer), size: layer.length })),
  });
  const index = json({ manifests: [{ digest: sha256(manifest), size: manifest.length }] });
  return tar([
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    ...[manifest, config, ...packed].map(blob),
    { path: "index.json", content: index },
  ]);
}

/** As older versions of `docker save` made it. */
export function savedArchive(layers: Buffer[], options: ArchiveOptions = {}): Buffer {
  const config = configOf(layers, options);
  const name = `${sha256(config).slice(7)}.json`;
  const paths = layers.map((_, n) => `layer${n}/layer.tar`);
  return tar([
    ...layers.map((content, n) => ({ path: paths[n] ?? "", content })),
    { path: name, content: config },
    { path: "manifest.json", content: json([{ Config: name, RepoTags: ["a:b"], Layers: paths }]) },
  ]);
}

function configOf(
  layers: Buffer[],
  { env = [], diff_id = (_, right) => right, architecture }: ArchiveOptions,
): Buffer {
  return json({
    os: "linux",
    architecture: architecture ?? (process.arch === "x64" ? "amd64" : process.arch),
    config: { Env: env },
    rootfs: { type: "layers", diff_ids: layers.map((layer, n) => diff_id(n, sha256(layer))) },
  });
}
