/** What the first bytes of a connection are. */
export type Opening =
  /** Nothing more can be told before there are so many bytes. */
  | { kind: "undecided"; needs: number }
  /** Nothing that a TLS server would take. */
  | { kind: "not_tls" }
  | { kind: "hello"; server_name: string | null }
  /** It begins like TLS, and no server would go on with it; or two servers might read it differently. */
  | { kind: "broken" };

const undecided = (needs: number): Opening => ({ kind: "undecided", needs });
const notTls = { kind: "not_tls" } as const;
const broken = { kind: "broken" } as const;

const handshake = 22;
const recordTypes = [20, 21, handshake, 23, 24];
const recordBytesMax = 2 ** 14;
const clientHello = 1;
const serverNameExtension = 0;
const hostName = 0;

/** The name in a ClientHello (RFC 8446, RFC 6066), over as many records as it is spread. `bytes_max`: of all that. */
export function readOpening(bytes: Buffer, bytes_max: number): Opening {
  const [type, major] = bytes;
  if (type === undefined) return undecided(1);
  if (!recordTypes.includes(type) || (major !== undefined && major !== 3)) return notTls;
  const parts: Buffer[] = [];
  let got = 0;
  /** Of the message, its own four bytes of head included; unknown before those are there. */
  let length: number | null = null;
  for (let at = 0; ; ) {
    const start = at + 5;
    if (at >= bytes_max) return broken;
    if (at < bytes.length && bytes[at] !== handshake) return broken;
    if (bytes.length < start) return undecided(start);
    const end = start + bytes.readUInt16BE(at + 3);
    if (bytes[at + 1] !== 3 || end === start || end - start > recordBytesMax) return broken;
    const part = bytes.subarray(start, end);
    parts.push(part);
    got += part.length;
    if (length === null && got >= 4) {
      const head = Buffer.concat(parts);
      length = 4 + head.readUIntBE(1, 3);
      if (head[0] !== clientHello || length > bytes_max) return broken;
    }
    if (length !== null && got >= length) return readHello(Buffer.concat(parts).subarray(4, length));
    if (bytes.length < end) return undecided(end);
    at = end;
  }
}

function readHello(body: Buffer): Opening {
  const session = vector(body, 2 + 32, 1);
  const suites = session && vector(body, session.end, 2);
  const compression = suites && vector(body, suites.end, 1);
  if (!compression) return broken;
  if (compression.end === body.length) return { kind: "hello", server_name: null };
  const extensions = vector(body, compression.end, 2);
  if (!extensions || extensions.end !== body.length) return broken;
  return readExtensions(extensions.value);
}

function readExtensions(bytes: Buffer): Opening {
  let found: string | null = null;
  for (let at = 0; at < bytes.length; ) {
    const extension = vector(bytes, at + 2, 2);
    if (!extension) return broken;
    if (bytes.readUInt16BE(at) === serverNameExtension) {
      const name = serverName(extension.value);
      if (name === null || found !== null) return broken;
      found = name;
    }
    at = extension.end;
  }
  return { kind: "hello", server_name: found };
}

/** The list has room for several names of several kinds; every client sends one, of a host. */
function serverName(bytes: Buffer): string | null {
  const list = vector(bytes, 0, 2);
  const name = list && list.end === bytes.length ? vector(list.value, 1, 2) : null;
  if (!list || !name || name.end !== list.value.length || list.value[0] !== hostName) return null;
  const text = name.value.toString("latin1");
  return /^[\x21-\x7e]{1,254}$/.test(text) ? text : null;
}

/** What a length of so many bytes at `at` says follows it. Null when that is not there. */
function vector(bytes: Buffer, at: number, lengthBytes: 1 | 2): { value: Buffer; end: number } | null {
  const start = at + lengthBytes;
  if (start > bytes.length) return null;
  const end = start + bytes.readUIntBE(at, lengthBytes);
  return end > bytes.length ? null : { value: bytes.subarray(start, end), end };
}
