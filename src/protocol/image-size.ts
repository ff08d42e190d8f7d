import { base64Bytes, base64Reader } from "./base64.ts";

/** Width and height of an image, from the few bytes of its head that say them. Nothing is decoded. */

export interface ImageSize {
  width: number;
  height: number;
}

export type ImageType = keyof typeof formats;

/** What a file of each type begins with, read as latin1, and where it says its size. */
const formats = {
  "image/png": { begins: /^\x89PNG\r\n\x1a\n/, size: pngSize },
  "image/jpeg": { begins: /^\xff\xd8\xff/, size: jpegSize },
  "image/gif": { begins: /^GIF8[79]a/, size: gifSize },
  "image/webp": { begins: /^RIFF.{4}WEBP/s, size: webpSize },
};

/** As many bytes as the longest beginning. */
const beginning_bytes = 12;
export const imageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"] as const;

export const beginsAs = (type: ImageType, data: string): boolean =>
  formats[type].begins.test(base64Bytes(data, 0, beginning_bytes).toString("latin1"));

/** Null where the head is cut short or makes no sense. */
export const imageSize = (type: ImageType, data: string): ImageSize | null => formats[type].size(data);

function pngSize(data: string): ImageSize | null {
  const head = base64Bytes(data, 12, 12);
  if (head.length < 12 || head.toString("latin1", 0, 4) !== "IHDR") return null;
  return { width: head.readUInt32BE(4), height: head.readUInt32BE(8) };
}

function gifSize(data: string): ImageSize | null {
  const head = base64Bytes(data, 6, 4);
  return head.length < 4 ? null : { width: head.readUInt16LE(0), height: head.readUInt16LE(2) };
}

function webpSize(data: string): ImageSize | null {
  const head = base64Bytes(data, 12, 18);
  if (head.length < 18) return null;
  switch (head.toString("latin1", 0, 4)) {
    case "VP8 ":
      if (head.readUIntBE(11, 3) !== 0x9d012a) return null;
      return { width: head.readUInt16LE(14) & 0x3fff, height: head.readUInt16LE(16) & 0x3fff };
    case "VP8L": {
      if (head[8] !== 0x2f) return null;
      const packed = head.readUInt32LE(9);
      return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: head.readUIntLE(12, 3) + 1, height: head.readUIntLE(15, 3) + 1 };
    default:
      return null;
  }
}

/** From segment to segment up to the one that begins the frame. */
function jpegSize(data: string): ImageSize | null {
  const byte = base64Reader(data);
  const number = (place: number) => (byte(place) ?? 0) * 256 + (byte(place + 1) ?? 0);
  for (let place = 2; byte(place) === 0xff; ) {
    const code = byte(place + 1) ?? startOfScan;
    if (code === startOfScan) return null;
    if (code === 0xff) place += 1;
    else if (standsAlone(code)) place += 2;
    else if (!beginsFrame(code)) place += 2 + number(place + 2);
    else if (byte(place + 8) === undefined) return null;
    else return { width: number(place + 7), height: number(place + 5) };
  }
  return null;
}

const startOfScan = 0xda;
const standsAlone = (code: number) => code === 0x01 || (code >= 0xd0 && code <= 0xd9);
/** C4, C8 and CC lie between the frames and are tables and extensions. */
const beginsFrame = (code: number) => code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code);
