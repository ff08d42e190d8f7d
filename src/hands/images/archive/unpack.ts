import { createHash, type Hash } from "node:crypto";
import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { limits } from "../../../limits.ts";
import { applyLayer, type Room } from "./apply-layer.ts";
import { findLayers, type Layer } from "./find-layers.ts";
import { insideRoot } from "./inside-root.ts";
import { readRange } from "./read-range.ts";

export interface Unpacked {
  /** Of the image's configuration. */
  digest: string;
  /** `NAME=value`, as the image has them. */
  env: string[];
  left_out: number;
}

export interface UnpackBounds {
  files_max: number;
  bytes_max: number;
}

/** Unpacks the image of an archive, a file that is open, into an empty folder. `onBytes` hears of each part of the archive that is done. */
export async function unpack(
  archive: number,
  rootfs: string,
  bounds: UnpackBounds,
  told: { layer(n: number, of: number, bytes: number): void; bytes(count: number): void },
): Promise<Unpacked> {
  const { layers, config, digest } = await findLayers(archive);
  const room: Room = { ...bounds, files: 0, bytes: 0, left_out: 0 };
  const root = insideRoot(rootfs);
  for (const [n, layer] of layers.entries()) {
    told.layer(n + 1, layers.length, layer.size);
    const packed = createHash("sha256");
    const unpacked = createHash("sha256");
    const contents = bounded(seen(await opened(archive, layer, packed, told.bytes), unpacked), room);
    await applyLayer(contents, root, room);
    for await (const _ of contents);
    require(layer.digest, packed);
    require(layer.diff_id, unpacked);
  }
  return { digest, env: config.config?.Env ?? [], left_out: room.left_out };
}

function require(digest: string | null, hash: Hash): void {
  if (digest !== null && digest !== `sha256:${hash.digest("hex")}`)
    throw new Error(`the archive is damaged: the layer ${digest} is not what its digest says`);
}

async function* seen(source: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

/** What is read again at its end goes on, as a generator that `for await` has left does not. */
function bounded(source: AsyncGenerator<Buffer>, room: Room): AsyncIterable<Buffer> {
  const next = async (): Promise<IteratorResult<Buffer>> => {
    const chunk = await source.next();
    room.bytes += chunk.done ? 0 : chunk.value.length;
    if (room.bytes > room.bytes_max)
      throw new Error(`the image has more than ${room.bytes_max / 2 ** 30} GiB once unpacked`);
    return chunk;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

const magics: { bytes: Buffer; opener(): Transform }[] = [
  { bytes: Buffer.from([0x1f, 0x8b]), opener: createGunzip },
  { bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), opener: createZstdDecompress },
];

/** Told by its first bytes, whatever the archive says. */
async function opened(
  archive: number,
  { start, size }: Layer,
  hash: Hash,
  onBytes: (count: number) => void,
): Promise<AsyncIterable<Buffer>> {
  if (size === 0) return Readable.from([]);
  const [begin] = await readRange(archive, start, Math.min(size, 4)).toArray();
  async function* whole(): AsyncGenerator<Buffer> {
    for await (const chunk of seen(readRange(archive, start, size), hash)) {
      onBytes(chunk.length);
      yield chunk;
    }
  }
  const magic = magics.find(({ bytes }) => begin.subarray(0, bytes.length).equals(bytes));
  if (!magic) return whole();
  const unpacked = magic.opener();
  // How it fails shows where it is read.
  pipeline(Readable.from(whole(), { objectMode: false }), unpacked, () => {});
  return unpacked;
}

export const imageBounds: UnpackBounds = {
  files_max: limits.image_files_max,
  bytes_max: limits.image_bytes_max,
};
