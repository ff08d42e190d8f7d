/** Files of each type with the head of an image of that size, and a few bytes or many behind it. In base64. */

export const png = (width: number, height: number, filler = 0): string => {
  const head = Buffer.from("89504e470d0a1a0a0000000d494844520000000000000000080600000000000000", "hex");
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return Buffer.concat([head, Buffer.alloc(filler, 7)]).toString("base64");
};

export const gif = (width: number, height: number): string => {
  const head = Buffer.from("GIF89a\0\0\0\0\0\0\0;", "latin1");
  head.writeUInt16LE(width, 6);
  head.writeUInt16LE(height, 8);
  return head.toString("base64");
};

/** `before` are the segments between the start and the frame; its marker says how the frame is coded. */
export const jpeg = (
  width: number,
  height: number,
  before: Buffer[] = [segment(0xe0, 14)],
  marker = 0xc0,
): string => {
  const frame = segment(marker, 15);
  frame.writeUInt16BE(height, 5);
  frame.writeUInt16BE(width, 7);
  return Buffer.concat([Buffer.from("ffd8", "hex"), ...before, frame]).toString("base64");
};

export const segment = (marker: number, length: number): Buffer => {
  const bytes = Buffer.alloc(4 + length, 8);
  bytes.writeUInt16BE(0xff00 + marker, 0);
  bytes.writeUInt16BE(2 + length, 2);
  return bytes;
};

const riff = (chunk: string, content: Buffer): string => {
  const head = Buffer.from(`RIFF\0\0\0\0WEBP${chunk}\0\0\0\0`, "latin1");
  head.writeUInt32LE(12 + content.length, 4);
  head.writeUInt32LE(content.length, 16);
  return Buffer.concat([head, content]).toString("base64");
};

export const webp = (width: number, height: number): string => {
  const content = Buffer.from("3000009d012a0000000000000000", "hex");
  content.writeUInt16LE(width, 6);
  content.writeUInt16LE(height, 8);
  return riff("VP8 ", content);
};

export const losslessWebp = (width: number, height: number): string => {
  const content = Buffer.alloc(16);
  content[0] = 0x2f;
  content.writeUInt32LE(width - 1 + (height - 1) * 2 ** 14, 1);
  return riff("VP8L", content);
};

export const extendedWebp = (width: number, height: number): string => {
  const content = Buffer.alloc(10);
  content.writeUIntLE(width - 1, 4, 3);
  content.writeUIntLE(height - 1, 7, 3);
  return riff("VP8X", content);
};

/** With its trailer behind a table, or with a stream in the place of both. `more` goes into the dictionary. */
export const pdf = (reference: "table" | "stream", more = ""): string => {
  const body = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n";
  const newest =
    reference === "table"
      ? `xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 2 /Root 1 0 R ${more}>>\n`
      : `2 0 obj\n<< /Type /XRef /Size 2 /Root 1 0 R ${more}>>\nstream\n\x01\x02 /Encrypt\nendstream\nendobj\n`;
  return Buffer.from(`${body}${newest}startxref\n${body.length}\n%%EOF\n`, "latin1").toString("base64");
};
