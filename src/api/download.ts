import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { limits } from "../limits.ts";

/** A file as a client may have it: to be kept, never to be shown or run by a browser, whatever it says that it is. */
export interface Download {
  filename: string;
  mime_type: string;
  size_bytes: number;
}

export const downloadHeaders = ({ filename, mime_type, size_bytes }: Download): Record<string, string> => ({
  "content-type": mime_type,
  "content-length": String(size_bytes),
  "content-disposition": dispositionOf(filename),
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cache-control": "private, no-store",
});

/** The name as it is, and for those who do not understand that one of plain ASCII. */
function dispositionOf(filename: string): string {
  const plain = filename.replaceAll(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** Resolves when all of it is sent or the client is gone; rejects when the content broke off, and the answer with it. */
export async function sendDownload(
  response: ServerResponse,
  headers: Record<string, string>,
  content: Readable,
): Promise<void> {
  let broken: unknown = null;
  // When the client is gone this comes too, after the response has ended.
  content.once("error", (error) => {
    if (!response.destroyed) broken = error;
  });
  response.setTimeout(limits.download_idle_ms, () => response.destroy());
  response.writeHead(200, headers);
  await pipeline(content, response).catch(() => {
    if (broken !== null) throw broken;
  });
}
