import { isUtf8 } from "node:buffer";
import { beginsAs, type ImageType, imageTypes } from "../protocol/image-size.ts";

/** What a file is by how it begins. */
export type FileKind =
  | { kind: "text"; utf8: boolean }
  | { kind: "image"; media_type: ImageType }
  | { kind: "pdf" }
  /** `advice` says what to do to see it. */
  | { kind: "binary"; name: string; advice?: string };

/** Beginnings read as latin1, at `at` bytes. */
const signatures: { begins: string; at?: number; name: string; advice?: string }[] = [
  { begins: "\x7fELF", name: "ELF program or library" },
  { begins: "PK\x03\x04", name: "ZIP archive (or an office document, jar or wheel)" },
  { begins: "\x1f\x8b", name: "gzip file" },
  { begins: "BZh", name: "bzip2 file" },
  { begins: "\xfd7zXZ\0", name: "xz file" },
  { begins: "\x28\xb5\x2f\xfd", name: "zstd file" },
  { begins: "7z\xbc\xaf\x27\x1c", name: "7-Zip archive" },
  { begins: "ustar", at: 257, name: "tar archive" },
  { begins: "SQLite format 3\0", name: "SQLite database" },
  { begins: "\xd0\xcf\x11\xe0", name: "old office document" },
  { begins: "PAR1", name: "Parquet file" },
  { begins: "\xca\xfe\xba\xbe", name: "Java class or Mach-O binary" },
  { begins: "\0asm", name: "WebAssembly module" },
  { begins: "BM", name: "BMP image", advice: "convert it to PNG to see it" },
  { begins: "II*\0", name: "TIFF image", advice: "convert it to PNG to see it" },
  { begins: "MM\0*", name: "TIFF image", advice: "convert it to PNG to see it" },
  { begins: "\0\0\x01\0", name: "icon", advice: "convert it to PNG to see it" },
  { begins: "ftyp", at: 4, name: "MP4, HEIC or AVIF file" },
  { begins: "OggS", name: "Ogg file" },
  { begins: "ID3", name: "MP3 file" },
  { begins: "RIFF", name: "RIFF file (WAV or AVI)" },
  { begins: "\xff\xfe", name: "UTF-16 text", advice: "convert it with iconv -f UTF-16 -t UTF-8" },
  { begins: "\xfe\xff", name: "UTF-16 text", advice: "convert it with iconv -f UTF-16 -t UTF-8" },
];

/** Bytes that are no UTF-8 may be text in another encoding; where they are so many it is none. */
const strangeShareMax = 0.3;

export function fileKind(head: Buffer): FileKind {
  const beginning = head.toString("base64", 0, 12);
  const media_type = imageTypes.find((type) => beginsAs(type, beginning));
  if (media_type) return { kind: "image", media_type };
  const latin1 = head.toString("latin1");
  if (latin1.startsWith("%PDF-")) return { kind: "pdf" };
  if (isText(head)) return { kind: "text", utf8: isUtf8(wholeCharacters(head)) };
  const found = signatures.find(({ begins, at = 0 }) => latin1.startsWith(begins, at));
  const { name = "of no kind that is known by its beginning", advice } = found ?? {};
  return { kind: "binary", name, ...(advice && { advice }) };
}

function isText(head: Buffer): boolean {
  if (head.includes(0)) return false;
  const text = head.toString();
  const strange = text.match(/[\x01-\x08\x0e-\x1a\x1c-\x1f\ufffd]/g)?.length ?? 0;
  return strange <= text.length * strangeShareMax;
}

/** Without a last character that the cut went through. */
function wholeCharacters(head: Buffer): Buffer {
  let end = head.length;
  while (end > 0 && head.length - end < 4 && ((head[end - 1] ?? 0) & 0xc0) === 0x80) end--;
  const isLead = end > 0 && (head[end - 1] ?? 0) >= 0xc0;
  return isLead ? head.subarray(0, end - 1) : head;
}
