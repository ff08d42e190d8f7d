/** How large a picture is, by the head of its bytes; null where that does not say it. Nothing is decoded. */
export function imageSize(bytes: Uint8Array): { width: number; height: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const begins = (at: number, text: string) =>
    [...text].every((char, n) => bytes[at + n] === char.charCodeAt(0));
  try {
    if (begins(1, "PNG\r\n") && begins(12, "IHDR"))
      return { width: view.getUint32(16), height: view.getUint32(20) };
    if (begins(0, "GIF8")) return gifSize(view);
    if (begins(0, "RIFF") && begins(8, "WEBP")) return webpSize(view, begins);
    return bytes[0] === 0xff && bytes[1] === 0xd8 ? jpegSize(view) : null;
  } catch {
    // It is cut short.
    return null;
  }
}

/** A frame may be larger than the screen that it is for, and browsers take the larger one. */
function gifSize(view: DataView) {
  const screen = { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  const tableBytes = (flags: number) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  let at = 13 + tableBytes(view.getUint8(10));
  while (view.getUint8(at) === 0x21) {
    at += 2;
    for (let length = view.getUint8(at); length > 0; length = view.getUint8(at)) at += 1 + length;
    at += 1;
  }
  if (view.getUint8(at) !== 0x2c) return null;
  return {
    width: Math.max(screen.width, view.getUint16(at + 1, true) + view.getUint16(at + 5, true)),
    height: Math.max(screen.height, view.getUint16(at + 3, true) + view.getUint16(at + 7, true)),
  };
}

function webpSize(view: DataView, begins: (at: number, text: string) => boolean) {
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (begins(12, "VP8X")) return { width: uint24(24) + 1, height: uint24(27) + 1 };
  if (begins(12, "VP8 "))
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (!begins(12, "VP8L")) return null;
  const packed = view.getUint32(21, true);
  return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
}

/** From segment to segment up to the one that begins the frame. */
function jpegSize(view: DataView) {
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    // Those have no length, and none of them stands before a frame: who reads on from here reads something else than browsers.
    else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd9)) return null;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    else at += 2 + view.getUint16(at + 2);
  }
}

const sideMax = 8_000;
const pixelsMax = 40_000_000;
/** A picture may say its size as far behind its beginning, behind what else it holds. */
export const imageHeadBytes = 256 << 10;

/** A few bytes can be a picture that takes the memory of a whole machine: one that does not say its size is not shown. */
export function mayShow(bytes: Uint8Array): boolean {
  const size = imageSize(bytes);
  if (!size) return false;
  const { width, height } = size;
  return width > 0 && height > 0 && Math.max(width, height) <= sideMax && width * height <= pixelsMax;
}

export function base64Bytes(data: string, bytesMax: number): Uint8Array {
  try {
    const text = atob(data.slice(0, Math.ceil(bytesMax / 3) * 4));
    return Uint8Array.from(text, (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
