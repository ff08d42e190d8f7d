import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { S3Settings } from "../../src/files/s3/requests.ts";
import { bodyOf } from "../../src/net/testing-body.ts";

/**
 * A bucket behind S3's protocol, as strict as the real ones: it checks every signature and hash by itself, takes no part
 * that is too small, and keeps the parts of uploads that nobody completes or aborts.
 */
export interface FakeS3 {
  settings: S3Settings;
  objects: Map<string, Buffer>;
  /** Uploads in parts that are not completed, by their ids. */
  uploads: Map<string, { key: string; parts: Map<number, Buffer> }>;
  /** Method and path of every request that was let in. */
  asked: string[];
  /** The next requests are answered so, one after the other. */
  failures: { status: number; code: string }[];
  /** Completing an upload fails after a status of 200 has been sent. */
  completionFails: boolean;
  close(): Promise<void>;
}

const partBytesMin = 5 << 20;
const region = "eu-test-1";
const credentials = { access_key_id: "AKTEST", secret_access_key: "secret/+key", session_token: "token==" };
const bucket = "drover-test";

type Answer = { status: number; body?: string | Buffer; headers?: Record<string, string> };

export async function startFakeS3(prefix = "some/where/"): Promise<FakeS3> {
  const server = createServer((request, response) => serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeS3 = {
    settings: { bucket, prefix, endpoint, region, credentials },
    objects: new Map(),
    uploads: new Map(),
    asked: [],
    failures: [],
    completionFails: false,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (body === null) return;
    const { status, body: said = "", headers = {} } = answerTo(request, body);
    response.writeHead(status, { "content-length": Buffer.byteLength(said), ...headers });
    response.end(said);
  }

  function answerTo(request: IncomingMessage, body: Buffer): Answer {
    const wrong = whatIsWrong(request, body);
    if (wrong) return refusal(403, wrong);
    const url = new URL(request.url ?? "/", endpoint);
    const { method = "" } = request;
    fake.asked.push(`${method} ${url.pathname}${url.search}`);
    const failure = fake.failures.shift();
    if (failure) return refusal(failure.status, failure.code);
    const [, name = "", ...rest] = decodeURIComponent(url.pathname).split("/");
    if (name !== bucket) return refusal(404, "NoSuchBucket");
    const key = rest.join("/");
    const uploadId = url.searchParams.get("uploadId");
    if (key === "") return listUploads(url.searchParams.get("prefix") ?? "");
    if (method === "POST" && url.searchParams.has("uploads")) return begin(key);
    if (uploadId !== null) return inUpload(method, key, uploadId, url.searchParams.get("partNumber"), body);
    if (method === "PUT") return put(key, body, request.headers["if-none-match"]);
    if (method === "GET") return get(key, request.headers.range);
    if (method === "DELETE") {
      fake.objects.delete(key);
      return { status: 204 };
    }
    return refusal(405, "MethodNotAllowed");
  }

  function put(key: string, body: Buffer, unless: string | undefined): Answer {
    if (unless === "*" && fake.objects.has(key)) return refusal(412, "PreconditionFailed");
    fake.objects.set(key, body);
    return { status: 200, headers: { etag: etagOf(body) } };
  }

  function get(key: string, range: string | undefined): Answer {
    const body = fake.objects.get(key);
    if (!body) return refusal(404, "NoSuchKey");
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (first === undefined || last === undefined) return { status: 200, body };
    if (Number(first) >= body.length) return refusal(416, "InvalidRange");
    return { status: 206, body: body.subarray(Number(first), Number(last) + 1) };
  }

  function listUploads(prefix: string): Answer {
    const found = [...fake.uploads].filter(([, { key }]) => key.startsWith(prefix));
    const shown = found.map(
      ([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${escaped(id)}</UploadId></Upload>`,
    );
    return {
      status: 200,
      body: `<ListMultipartUploadsResult>${shown.join("")}</ListMultipartUploadsResult>`,
    };
  }

  function begin(key: string): Answer {
    const id = `${randomBytes(9).toString("base64")}&<`;
    fake.uploads.set(id, { key, parts: new Map() });
    const body = `<InitiateMultipartUploadResult><UploadId>${escaped(id)}</UploadId></InitiateMultipartUploadResult>`;
    return { status: 200, body };
  }

  function inUpload(method: string, key: string, id: string, part: string | null, body: Buffer): Answer {
    const upload = fake.uploads.get(id);
    if (!upload || upload.key !== key) return refusal(404, "NoSuchUpload");
    if (method === "DELETE") {
      fake.uploads.delete(id);
      return { status: 204 };
    }
    if (method === "PUT") {
      upload.parts.set(Number(part), body);
      return { status: 200, headers: { etag: etagOf(body) } };
    }
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)].map(
      ([, number, etag]) => ({ body: upload.parts.get(Number(number)), etag }),
    );
    if (named.some(({ body, etag }) => !body || etagOf(body) !== etag)) return refusal(400, "InvalidPart");
    const bodies = named.flatMap(({ body }) => body ?? []);
    if (bodies.slice(0, -1).some(({ length }) => length < partBytesMin))
      return refusal(400, "EntityTooSmall");
    if (fake.completionFails) return { ...refusal(200, "InternalError") };
    fake.objects.set(key, Buffer.concat(bodies));
    fake.uploads.delete(id);
    return { status: 200, body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>" };
  }

  return fake;
}

const refusal = (status: number, code: string): Answer => ({
  status,
  body: `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${code} it is</Message></Error>`,
});

const etagOf = (body: Buffer) => `"${createHash("md5").update(body).digest("hex")}"`;
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const sha256 = (content: string | Buffer) => createHash("sha256").update(content).digest("hex");
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
const encode = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Of a request's signature, as AWS describes version 4 of it. Null when it is right. */
function whatIsWrong({ method = "", url = "", headers }: IncomingMessage, body: Buffer): string | null {
  const [, scope = "", signed = "", signature = ""] =
    /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    ) ?? [];
  const [id, day = "", inRegion = "", service = "", end] = scope.split("/");
  if (id !== credentials.access_key_id || inRegion !== region || service !== "s3" || end !== "aws4_request")
    return "InvalidAccessKeyId";
  const names = signed.split(";");
  const needed = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-"));
  if (needed.some((name) => !names.includes(name)) || names.join() !== names.toSorted().join())
    return "UnsignedHeaders";
  if (headers["x-amz-security-token"] !== credentials.session_token) return "InvalidToken";
  const date = String(headers["x-amz-date"]);
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const at = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (!date.startsWith(day) || !(Math.abs(Date.now() - at) < 15 * 60_000)) return "RequestTimeTooSkewed";
  const hash = String(headers["x-amz-content-sha256"]);
  if (hash !== sha256(body)) return "XAmzContentSHA256Mismatch";
  const { pathname, searchParams } = new URL(url, "http://host");
  const query = [...searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).toSorted();
  const canonical = [
    method,
    pathname,
    query.join("&"),
    ...names.map((name) => `${name}:${String(headers[name]).trim()}`),
    "",
    signed,
    hash,
  ].join("\n");
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`;
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(
    (before, text) => hmac(before, text),
    `AWS4${credentials.secret_access_key}`,
  );
  const right = hmac(key, toSign);
  return timingSafeEqual(right, Buffer.from(signature, "hex")) ? null : "SignatureDoesNotMatch";
}
