import { promisify } from "node:util";
import { crc32, inflateRaw } from "node:zlib";
import { type Entry, fromBufferPromise, type LocalFileHeader, type ZipFile } from "yauzl";
import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";
import { componentsOf, shown } from "./names.ts";

const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);

/** A file as an archive has it. */
export interface Zipped {
  name: string;
  content: Buffer;
  /** Null: the archive does not say. */
  executable: boolean | null;
}

export const isZip = (content: Buffer): boolean =>
  /^PK(\x03\x04|\x05\x06)/.test(content.toString("latin1", 0, 4));

/**
 * The files of an archive. Nothing that it says is trusted: what it says twice must be the same, and of what it holds no more is
 * unpacked than `limits.skill_bytes_max`.
 */
export async function unzip(archive: Buffer): Promise<Zipped[]> {
  const zip = await opened(archive);
  const files: Zipped[] = [];
  const parts: Part[] = [];
  let room = limits.skill_bytes_max;
  let entries = 0;
  for await (const entry of entriesOf(zip)) {
    entries += 1;
    if (entries > limits.skill_zip_entries_max)
      throw invalid(`files: the archive has more than ${limits.skill_zip_entries_max} entries`);
    const name = nameOf(entry);
    const about = (why: string) => invalid(`files: ${shown(name)}: ${why}`);
    requirePlain(entry, name, about);
    const header = await headerOf(zip, entry, about);
    requireAgreement(entry, header, about);
    const end = endOf(archive, entry, header, about);
    parts.push({ name, start: entry.relativeOffsetOfLocalHeader, end });
    componentsOf(name.replace(/\/$/, ""));
    if (name.endsWith("/")) continue;
    const { fileDataStart: start } = header;
    const packed = archive.subarray(start, start + entry.compressedSize);
    const content = await unpacked(packed, entry, room, about);
    room -= content.length;
    files.push({ name, content, executable: executableOf(entry) });
  }
  requireApart(parts);
  return files;
}

const broken = (cause: unknown) =>
  cause instanceof ApiError
    ? cause
    : invalid(`files: the zip archive is damaged: ${(cause as Error).message}`, { cause });

async function opened(archive: Buffer): Promise<ZipFile> {
  try {
    // Names are read below: the library would make others of some.
    return await fromBufferPromise(archive, { decodeStrings: false });
  } catch (error) {
    throw broken(error);
  }
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  const entries = zip.eachEntry();
  for (;;) {
    const next = await entries.next().catch((error) => {
      throw broken(error);
    });
    if (next.done) return;
    yield next.value;
  }
}

/** An archive may name a file twice, in two encodings: then it depends on who unpacks it what it is called. */
function nameOf({ fileNameRaw, extraFields }: Entry): string {
  const unicode = extraFields.find(({ id }) => id === unicodePath);
  const name = fileNameRaw.toString("utf8");
  const about = (why: string) => invalid(`files: ${shown(name)}: ${why}`);
  if (!Buffer.from(name).equals(fileNameRaw)) throw about("its name is not written in UTF-8");
  if (unicode && !unicode.data.subarray(5).equals(fileNameRaw))
    throw about("the archive has two names for it");
  if (name === "") throw about("has no name");
  return name;
}
const unicodePath = 0x7075;

type About = (why: string) => ApiError;

const unixType = (entry: Entry) => (entry.externalFileAttributes >>> 16) & 0o170000;
const stored = 0;
const deflated = 8;
const hasDescriptor = 1 << 3;
/** Of the file, and of the directory that tells of it. */
const encrypted = (1 << 0) | (1 << 6) | (1 << 13);

function requirePlain(entry: Entry, name: string, about: About): void {
  if (entry.generalPurposeBitFlag & encrypted) throw about("is encrypted");
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated)
    throw about("is compressed in a way that is not understood; only deflate is");
  const isFolder = name.endsWith("/");
  const types = isFolder ? [0, 0o040000] : [0, 0o100000];
  if (!types.includes(unixType(entry)))
    throw about("must be a regular file or a folder: links and other special files are not accepted");
  if (isFolder && entry.uncompressedSize > 0) throw about("is a folder that has content");
  if (entry.uncompressedSize > limits.skill_bytes_max) throw tooLarge();
}

async function headerOf(zip: ZipFile, entry: Entry, about: About): Promise<LocalFileHeader> {
  try {
    return await zip.readLocalFileHeaderPromise(entry);
  } catch (error) {
    throw about(`the archive is damaged: ${(error as Error).message}`);
  }
}

/** What is said of a file beside it, and in the directory at the end, which others may not read. */
function requireAgreement(entry: Entry, header: LocalFileHeader, about: About): void {
  const flags = encrypted | hasDescriptor;
  const known = (header.generalPurposeBitFlag & hasDescriptor) === 0;
  const same = (said: number, truth: number) => said === truth || said === inZip64 || (!known && said === 0);
  const agrees =
    header.fileName.equals(entry.fileNameRaw) &&
    header.compressionMethod === entry.compressionMethod &&
    (header.generalPurposeBitFlag & flags) === (entry.generalPurposeBitFlag & flags) &&
    same(header.compressedSize, entry.compressedSize) &&
    same(header.uncompressedSize, entry.uncompressedSize) &&
    (header.crc32 === entry.crc32 || (!known && header.crc32 === 0));
  if (!agrees) throw about("the archive contradicts itself about this file");
}
const inZip64 = 0xffffffff;

/** Where the next thing in the archive may begin. A descriptor has its signature or not, and sizes of 4 or of 8 bytes. */
function endOf(archive: Buffer, entry: Entry, header: LocalFileHeader, about: About): number {
  const end = header.fileDataStart + entry.compressedSize;
  if ((header.generalPurposeBitFlag & hasDescriptor) === 0) return end;
  for (const signature of [4, 0])
    for (const size of [4, 8])
      if (describes(archive.subarray(end, end + signature + 4 + 2 * size), entry, signature > 0, size))
        return end + signature + 4 + 2 * size;
  throw about("what the archive says behind this file contradicts what it says of it");
}

function describes(bytes: Buffer, entry: Entry, signed: boolean, size: number): boolean {
  const wanted = Buffer.alloc((signed ? 4 : 0) + 4 + 2 * size);
  let at = signed ? wanted.writeUInt32LE(0x08074b50) : 0;
  at = wanted.writeUInt32LE(entry.crc32, at);
  for (const value of [entry.compressedSize, entry.uncompressedSize]) {
    if (size === 4 && value > 0xffffffff) return false;
    at = size === 4 ? wanted.writeUInt32LE(value, at) : wanted.writeBigUInt64LE(BigInt(value), at);
  }
  return bytes.equals(wanted);
}

const tooLarge = (cause?: unknown) =>
  new ApiError(
    "request_too_large",
    `files: unpacked they are larger than ${limits.skill_bytes_max >> 20} MB`,
    { cause },
  );

async function unpacked(packed: Buffer, entry: Entry, room: number, about: About): Promise<Buffer> {
  const content = entry.compressionMethod === stored ? packed : await inflated(packed, room, about);
  if (content.length > room) throw tooLarge();
  if (content.length !== entry.uncompressedSize || crc32(content) !== entry.crc32)
    throw about("is not what the archive says it is");
  return content;
}

async function inflated(packed: Buffer, room: number, about: About): Promise<Buffer> {
  try {
    return await inflate(packed, { maxOutputLength: Math.max(1, room) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(error);
    throw about(`cannot be unpacked: ${(error as Error).message}`);
  }
}

/** Only systems that know of it say it. */
function executableOf(entry: Entry): boolean | null {
  const madeBy = entry.versionMadeBy >>> 8;
  const mode = entry.externalFileAttributes >>> 16;
  const saysModes = (madeBy === unix || madeBy === darwin) && mode !== 0;
  return saysModes ? (mode & 0o111) !== 0 : null;
}
const unix = 3;
const darwin = 19;

interface Part {
  name: string;
  start: number;
  end: number;
}

/** A bomb has many files in the same bytes. */
function requireApart(parts: Part[]): void {
  let end = 0;
  for (const part of parts.toSorted((a, b) => a.start - b.start)) {
    if (part.start < end) throw invalid(`files: ${shown(part.name)}: overlaps another file of the archive`);
    end = part.end;
  }
}
