import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import type { Dispatcher } from "undici";
import { limits } from "../../limits.ts";
import { loadUndici } from "../../net/guard.ts";
import { FileStoreAway, FileStoreFull } from "../store.ts";

/** A bucket, or a part of one, of any service that speaks S3. */
export interface S3Settings {
  bucket: string;
  /** What all keys begin with: empty, or ending with a slash. */
  prefix: string;
  /** Of the service; the bucket is the first part of the path. */
  endpoint: string;
  region: string;
  credentials: { access_key_id: string; secret_access_key: string; session_token: string | null };
}

export interface S3Request {
  method: "GET" | "PUT" | "POST" | "DELETE";
  /** Below the prefix; null is the bucket itself. */
  key: string | null;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

export type S3Answer = Dispatcher.ResponseData;

export interface S3Requests {
  /** Answers of a status below 300, and those of the statuses that are `expected`; what else comes is thrown. */
  send(request: S3Request, expected?: readonly number[]): Promise<S3Answer>;
  /** The same, and the text of the answer. */
  ask(request: S3Request, expected?: readonly number[]): Promise<{ status: number; text: string }>;
}

/** Signed, and asked again where the service is busy or cannot be reached. Each can be repeated without harm. */
export function s3Requests(settings: S3Settings): S3Requests {
  const { bucket, prefix, credentials, region } = settings;
  const endpoint = settings.endpoint.replace(/\/$/, "");

  async function attempt({ method, key, query = {}, headers = {}, body = "" }: S3Request): Promise<S3Answer> {
    const url = new URL(`${endpoint}/${bucket}${key === null ? "" : `/${prefix}${key}`}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, "x-amz-content-sha256": createHash("sha256").update(body).digest("hex") },
      accessKeyId: credentials.access_key_id,
      secretAccessKey: credentials.secret_access_key,
      ...(credentials.session_token !== null && { sessionToken: credentials.session_token }),
      service: "s3",
      region,
    });
    const signed = await signer.sign();
    const { request } = await loadUndici();
    return request(url, {
      method,
      headers: Object.fromEntries(signed.headers),
      body: method === "PUT" || method === "POST" ? body : null,
      headersTimeout: limits.s3_answer_ms,
      bodyTimeout: limits.s3_answer_ms,
    });
  }

  async function send(asked: S3Request, expected: readonly number[] = []): Promise<S3Answer> {
    let pause_ms: number = limits.s3_pause_first_ms;
    for (let n = 1; ; n += 1) {
      const answer = await attempt(asked).catch((error: unknown) => error as Error);
      if (!(answer instanceof Error) && (answer.statusCode < 300 || expected.includes(answer.statusCode)))
        return answer;
      const failure = answer instanceof Error ? awayBy(asked, answer) : await refusalOf(asked, answer);
      const isPassing = answer instanceof Error || answer.statusCode === 429 || answer.statusCode >= 500;
      if (!isPassing || failure instanceof FileStoreFull || n === limits.s3_attempts_max) throw failure;
      await pause(pause_ms);
      pause_ms *= 2;
    }
  }

  return {
    send,
    async ask(asked, expected) {
      const answer = await send(asked, expected);
      return { status: answer.statusCode, text: await textOf(answer) };
    },
  };
}

const awayBy = ({ method, key }: S3Request, cause: Error) =>
  new FileStoreAway(`S3: ${method} ${key ?? "the bucket"}: ${cause.message}`, { cause });

/** Of services that have no more room, the codes by which they say so. */
const fullCodes = /^(XMinioStorageFull|QuotaExceeded|InsufficientStorage|NotEnoughSpace)$/;

async function refusalOf({ method, key }: S3Request, answer: S3Answer): Promise<Error> {
  const text = await textOf(answer).catch(() => "");
  const code = elementOf(text, "Code") ?? "";
  const message = `S3: ${method} ${key ?? "the bucket"}: ${answer.statusCode} ${code} ${elementOf(text, "Message") ?? ""}`;
  const isFull = answer.statusCode === 507 || fullCodes.test(code);
  return isFull ? new FileStoreFull(message.trim()) : new FileStoreAway(message.trim());
}

async function textOf({ body }: S3Answer): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > limits.s3_answer_bytes_max) throw new FileStoreAway("S3: an answer is too long");
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const entities: Record<string, string> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

/** The texts of all elements of a name, of those that hold no others. */
export const elementsOf = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, text = ""]) =>
    text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (entity) => entities[entity] ?? entity),
  );

export const elementOf = (xml: string, name: string): string | undefined => elementsOf(xml, name)[0];
