import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from "node:zlib";
import { limits } from "../limits.ts";
import { oneAtATime } from "../net/pieces.ts";
import { type Redactor, redactorFrom } from "../vault/redact.ts";
import { type Answer, pairsOf } from "./answers.ts";
import type { Inbound } from "./forward.ts";
import { endToEnd, lengthOf } from "./headers.ts";

/** The head of a host's answer without any secret. With no redactor it is as it came. */
export const redactedHeadOf = (from: IncomingMessage, redactor: Redactor | null) => ({
  words: inHeader(from.statusMessage ?? "", redactor),
  headers: redactedHeaders(endToEnd(from.rawHeaders), redactor),
});

/** A host's answer without any secret, as the program gets it. `method`: of the request. */
export function redacted(
  from: IncomingMessage,
  method: string,
  redactor: Redactor | null,
  latest: Latest,
): Inbound | Answer {
  const { statusCode: status = 502, headers: named } = from;
  const { words, headers } = redactedHeadOf(from, redactor);
  if (status < 200) return unread(`it switches protocols (${status}) though nobody asked for that`);
  const trailers = (rawTrailers: readonly string[]) => redactedHeaders(rawTrailers, redactor);
  const asItIs = { words, headers: [...headers, ...lengthOf(from)], through: [], trailers };
  if (redactor === null) return asItIs;
  const codings = listed(named["content-encoding"]);
  const decoded = codings.length === 0 ? asItIs : { ...asItIs, headers: withoutCoding(headers) };
  // What is not there needs no decoding; what was said of it would be wrong where it is.
  if (method === "HEAD" || status === 204 || status === 304) return decoded;
  if (listed(named["transfer-encoding"]).some((each) => each !== "chunked"))
    return unread("transfer-encoding");
  const [, charset] = charsetNamed.exec(named["content-type"] ?? "") ?? [];
  if (charset && !readableCharset.test(charset)) return unread(`charset=${charset}`);
  const decoders = decodersOf(codings);
  // A part of what is encoded is nothing that could be decoded.
  if (decoders === null || (status === 206 && codings.length > 0))
    return unread(`content-encoding: ${codings.join(", ")}`);
  return { ...decoded, through: [...decoders.map((make) => make()), redaction(redactor, latest)] };
}

const charsetNamed = /;\s*charset\s*=\s*["']?([^\s"';,]+)/i;

/** In which a secret is what it is in ASCII; and UTF-16. A program can ask some hosts for an answer in any that there is. */
const readableCharset =
  /^(utf-?8|utf-?16|us-ascii|ascii|binary|none|iso-?8859|latin|windows-|cp-?125|koi8|gb|big5|euc|shift|sjis|x-sjis|ms|tis-|mac|x-mac)/i;

const codingsMax = 3;

const unread = (what: string): Answer => ({
  status: 502,
  text: `Drover cannot read the answer of this host, to see whether a secret is in it: ${what}.`,
});

const redactedHeaders = (flat: readonly string[], redactor: Redactor | null): string[] =>
  pairsOf(flat).flatMap((pair) => pair.map((each) => inHeader(each, redactor)));

/** As Node has headers: a character for each byte. */
const inHeader = (value: string, redactor: Redactor | null): string =>
  redactor === null ? value : redactor.bytes(Buffer.from(value, "latin1")).toString("latin1");

const withoutCoding = (headers: readonly string[]): string[] =>
  pairsOf(headers)
    .filter(([name]) => name.toLowerCase() !== "content-encoding")
    .flat();

/** A coding that changes nothing is none. */
const listed = (value: string | undefined): string[] =>
  (value ?? "")
    .split(",")
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== "" && each !== "identity");

/** In the order in which they are undone. Null where one is not known. */
function decodersOf(codings: readonly string[]): (() => Transform)[] | null {
  if (codings.length > codingsMax) return null;
  const makers = codings.toReversed().map((coding) => decoders[coding]);
  return makers.every((make) => make !== undefined) ? makers : null;
}

/** What zlib takes for its streams, though the types do not know. */
const flow: object = oneAtATime;

const decoders: Record<string, (() => Transform) | undefined> = {
  gzip: () => createGunzip(flow),
  "x-gzip": () => createGunzip(flow),
  deflate: () => createInflate(flow),
  br: () => createBrotliDecompress(flow),
  zstd: () =>
    createZstdDecompress({
      ...flow,
      params: { [constants.ZSTD_d_windowLogMax]: limits.decoded_zstd_window_bits_max },
    }),
};

/** What hides the secrets that the session has by now; null where nobody can say. */
export type Latest = () => Promise<Redactor | null>;

/** Redacts what goes through it, for however long, and holds a few bytes back for a moment, or what begins like a secret until more comes. */
export function redaction(redactor: Redactor, latest: Latest): Transform {
  const stream = redactor.stream();
  let before = redactor;
  async function renew(): Promise<void> {
    const now = await latest();
    if (now === null || now === before) return;
    before = redactorFrom(before, now.hidden);
    stream.renew(before);
  }
  let timer: NodeJS.Timeout | undefined;
  return new Transform({
    ...oneAtATime,
    transform(chunk: Buffer, _, done) {
      clearTimeout(timer);
      const pass = () => {
        if (this.destroyed) return;
        const ready = stream.push(chunk);
        if (ready.length > 0) this.push(ready);
        timer = setTimeout(() => {
          const early = stream.early();
          if (early.length > 0 && !this.destroyed) this.push(early);
        }, limits.redacted_early_ms);
        done();
      };
      renew().then(pass).catch(done);
    },
    flush(done) {
      clearTimeout(timer);
      done(null, stream.end());
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
}
