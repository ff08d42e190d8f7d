/** The files of a zip archive, as the server makes them of a version: without encryption and without ZIP64. */

export interface Zipped {
  path: string;
  bytes: number;
  /** Throws when it is damaged. */
  content: () => Promise<Uint8Array>;
}

const damaged = () => new Error("The archive is damaged.");
const ends = 0x06054b50;
const central = 0x02014b50;

/** Of what an archive holds no more is unpacked than this, in bytes. */
const contentMax = 32 << 20;

export function unzip(archive: ArrayBuffer): Zipped[] {
  const view = new DataView(archive);
  const end = endOf(view);
  const files: Zipped[] = [];
  let at = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n -= 1) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== central) throw damaged();
    const method = view.getUint16(at + 10, true);
    const packed = view.getUint32(at + 20, true);
    const bytes = view.getUint32(at + 24, true);
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const start = view.getUint32(at + 42, true);
    const path = new TextDecoder().decode(new Uint8Array(archive, at + 46, name));
    at += 46 + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
    if (path.endsWith("/")) continue;
    files.push({ path, bytes, content: () => contentOf(view, { start, packed, bytes, method }) });
  }
  return files;
}

function endOf(view: DataView): number {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); at -= 1)
    if (view.getUint32(at, true) === ends) return at;
  throw damaged();
}

async function contentOf(
  view: DataView,
  { start, packed, bytes, method }: { start: number; packed: number; bytes: number; method: number },
): Promise<Uint8Array> {
  if (start + 30 > view.byteLength || bytes > contentMax) throw damaged();
  const begin = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  if (begin + packed > view.byteLength) throw damaged();
  const part = new Uint8Array(view.buffer as ArrayBuffer, begin, packed);
  if (method === 0) return part;
  if (method !== 8) throw damaged();
  const content = new Uint8Array(bytes);
  let length = 0;
  const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (length + value.length > bytes) throw damaged();
    content.set(value, length);
    length += value.length;
  }
  if (length !== bytes) throw damaged();
  return content;
}

/** Null where it is no text. */
export function textOf(content: Uint8Array): string | null {
  if (content.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return null;
  }
}
