/**
 * What a tar archive holds, in its order. Names are bytes, held in strings of one character each, since nothing says that
 * they are text.
 */
export interface TarEntry {
  path: string;
  type: "file" | "folder" | "link" | "hard_link" | "other";
  /** Permissions, without those that change who a program runs as. */
  mode: number;
  modified_s: number;
  size: number;
  /** Where a link leads. */
  target: string;
  /** Where its bytes begin in the archive. */
  offset: number;
  /** Its bytes, to be read before the next entry is asked for. What nobody reads is passed over. */
  content: AsyncIterable<Buffer>;
}

const block = 512;
/** Of the records that tell of the entry after them: long names. */
const recordBytesMax = 1 << 20;

export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = byteReader(source);
  let told: Record<string, string> = {};
  for (;;) {
    const header = await bytes.take(block);
    // Some end without the two empty blocks of the format.
    if (header.length === 0 || isEmpty(header)) return;
    if (header.length < block || checksum(header) !== number(header, 148, 8))
      throw new Error("the archive is damaged: what should be the header of an entry is none");
    const type = String.fromCharCode(header[156] ?? 0);
    const size = told.size === undefined ? number(header, 124, 12) : safe(Number(told.size));
    if (type === "x" || type === "L" || type === "K" || type === "g") {
      if (size > recordBytesMax) throw new Error("the archive is damaged: a name in it is too long");
      const record = await bytes.take(padded(size));
      if (record.length < padded(size)) throw cutShort();
      const text = record.subarray(0, size).toString("latin1");
      if (type === "x") told = { ...told, ...paxRecords(text) };
      else if (type === "L") told = { ...told, path: untilNul(text) };
      else if (type === "K") told = { ...told, linkpath: untilNul(text) };
      continue;
    }
    const isFile = type === "0" || type === "\0" || type === "7";
    if (Object.keys(told).some((key) => key.startsWith("GNU.sparse.")) || type === "S")
      throw new Error("the archive holds a file with holes (GNU sparse), which is not supported");
    const length = isFile || !known[type] ? size : 0;
    const content = bytes.stream(length);
    yield {
      path: told.path ?? nameIn(header),
      type: isFile ? "file" : (known[type] ?? "other"),
      mode: number(header, 100, 8) & 0o777,
      modified_s: Math.trunc(Number(told.mtime ?? number(header, 136, 12))) || 0,
      size: length,
      target: told.linkpath ?? field(header, 157, 100),
      offset: bytes.position(),
      content,
    };
    for await (const _ of content);
    if ((await bytes.take(padded(length) - length)).length < padded(length) - length) throw cutShort();
    told = {};
  }
}

const known: Record<string, TarEntry["type"]> = { "1": "hard_link", "2": "link", "5": "folder" };

const cutShort = () => new Error("the archive is cut short");
const padded = (size: number) => Math.ceil(size / block) * block;
const isEmpty = (header: Buffer) => header.every((byte) => byte === 0);
const untilNul = (text: string) => text.split("\0", 1)[0] ?? "";
const field = (header: Buffer, at: number, length: number) =>
  untilNul(header.toString("latin1", at, at + length));

function nameIn(header: Buffer): string {
  const isUstar = header.toString("latin1", 257, 262) === "ustar";
  const prefix = isUstar && header[263] === 0x30 ? field(header, 345, 155) : "";
  const name = field(header, 0, 100);
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** In octal digits, or binary where those do not suffice. */
function number(header: Buffer, at: number, length: number): number {
  if (((header[at] ?? 0) & 0x80) === 0)
    return safe(Number.parseInt(field(header, at, length).trim() || "0", 8));
  let value = (header[at] ?? 0) & 0x7f;
  for (const byte of header.subarray(at + 1, at + length)) value = value * 256 + byte;
  return safe(value);
}

function safe(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error("the archive is damaged: a number in it is none");
}

function checksum(header: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte;
  return sum;
}

/** `<length> <key>=<value>\n`, any number of times. */
function paxRecords(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(" ", at);
    const length = Number(text.slice(at, space));
    if (space === -1 || !Number.isSafeInteger(length) || length <= space - at || at + length > text.length)
      throw new Error("the archive is damaged: what is told of an entry cannot be read");
    const record = text.slice(space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (equals > 0) found[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return found;
}

function byteReader(source: AsyncIterable<Buffer>) {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  let position = 0;

  /** Empty at the end. */
  async function some(most: number): Promise<Buffer> {
    while (rest.length === 0) {
      const { value, done } = await chunks.next();
      if (done) return rest;
      rest = value;
    }
    const part = rest.subarray(0, most);
    rest = rest.subarray(part.length);
    position += part.length;
    return part;
  }

  return {
    position: () => position,
    /** Fewer at the end. */
    async take(count: number): Promise<Buffer> {
      const parts: Buffer[] = [];
      for (let left = count; left > 0; ) {
        const part = await some(left);
        if (part.length === 0) break;
        parts.push(part);
        left -= part.length;
      }
      return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    },
    /** One run of bytes, whoever reads how much of it and how often. */
    stream(count: number): AsyncIterable<Buffer> {
      let left = count;
      async function* read(): AsyncGenerator<Buffer> {
        while (left > 0) {
          const part = await some(left);
          if (part.length === 0) throw cutShort();
          left -= part.length;
          yield part;
        }
      }
      return { [Symbol.asyncIterator]: read };
    },
  };
}
