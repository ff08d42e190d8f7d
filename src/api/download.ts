import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ByteRange } from "../files/store.ts";
import { limits } from "../limits.ts";
import { ApiError } from "../protocol/errors.ts";

/** A file as a client may have it: to be kept, never to be shown or run by a browser, whatever it says that it is. */
export interface Download {
  filename: string;
  mime_type: string;
  size_bytes: number;
  /** Of what it holds. */
  sha256: string;
}

/** How a download is answered: all of it, or the part that was asked for. */
export interface DownloadAnswer {
  status: 200 | 206;
  headers: Record<string, string>;
  bytes: number;
  range?: ByteRange;
}

/** A part is asked for by those whose download broke off: of the same content, and in one piece. */
export function downloadAnswer(download: Download, asked: Headers): DownloadAnswer {
  const { filename, mime_type, size_bytes, sha256 } = download;
  const etag = `"${sha256}"`;
  const isSame = (asked.get("if-range") ?? etag) === etag;
  const range = isSame ? rangeIn(asked.get("range") ?? "", size_bytes) : null;
  const { start, end } = range ?? { start: 0, end: size_bytes };
  return {
    status: range ? 206 : 200,
    headers: {
      "content-type": mime_type,
      "content-length": String(end - start),
      ...(range && { "content-range": `bytes ${start}-${end - 1}/${size_bytes}` }),
      "content-disposition": dispositionOf(filename),
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "cache-control": "private, no-store",
      "accept-ranges": "bytes",
      etag,
    },
    bytes: end - start,
    ...(range && { range }),
  };
}

/** What else can be written there means all of it. */
function rangeIn(text: string, size: number): ByteRange | null {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  if (first === "" && last === "") return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  if (start >= end)
    throw new ApiError("invalid_request_error", `range: the file has ${size} bytes`, {
      status: 416,
      headers: { "content-range": `bytes */${size}` },
    });
  return { start, end };
}

/** The name as it is, and for those who do not understand that one of plain ASCII. */
function dispositionOf(filename: string): string {
  const plain = filename.replaceAll(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** What it is called when the client is gone. */
const goneCodes = ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "EPIPE"];

/** Resolves when all of it is sent or the client is gone; rejects when the content broke off, and the answer with it. */
export async function sendDownload(
  response: ServerResponse,
  { status, headers, bytes }: DownloadAnswer,
  content: Readable,
): Promise<void> {
  response.setTimeout(limits.download_idle_ms, () => response.destroy());
  response.writeHead(status, headers);
  try {
    await pipeline(content, (chunks) => exactly(bytes, chunks), response);
  } catch (error) {
    response.destroy();
    if (!goneCodes.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Content that is too short would leave the client waiting for the rest. */
async function* exactly(bytes: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let passed = 0;
  for await (const chunk of chunks) {
    passed += chunk.length;
    yield chunk;
  }
  if (passed !== bytes) throw new Error(`the content has ${passed} bytes instead of ${bytes}`);
}
