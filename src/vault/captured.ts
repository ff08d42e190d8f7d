import type { Response } from "undici";
import { limits } from "../limits.ts";
import { createRedactor } from "./redact.ts";
import { spellings } from "./spellings.ts";

/** The answer of somebody else's server as it is shown to the owner of a credential: cut, and without what is secret. */
export interface CapturedResponse {
  status_code: number;
  content_type: string;
  body: string;
  body_truncated: boolean;
}

/** What is read of a body, at most so much. `whole`: it ended within that. */
export interface ReadBody {
  bytes: Buffer;
  whole: boolean;
}

/** Rejects when the connection breaks. The rest is not waited for. */
export async function readBody({ body }: Pick<Response, "body">, bytesMax: number): Promise<ReadBody> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (body) {
    for await (const chunk of body) {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (length > bytesMax) return { bytes: Buffer.concat(chunks).subarray(0, bytesMax), whole: false };
    }
  }
  return { bytes: Buffer.concat(chunks), whole: true };
}

/** Reads the body of a response and shows it without these secrets. Of one that breaks off nothing is shown. */
export async function capture(response: Response, secrets: readonly string[]): Promise<CapturedResponse> {
  const read = await readBody(response, limits.oauth_answer_bytes_max).catch(
    (): ReadBody => ({ bytes: Buffer.alloc(0), whole: false }),
  );
  return captured(response, read, secrets);
}

/** Secrets go first, and only then what is too long: a part of one would not be known for it. */
export function captured(
  { status, headers }: Pick<Response, "status" | "headers">,
  { bytes, whole }: ReadBody,
  secrets: readonly string[],
): CapturedResponse {
  const redactor = createRedactor(secrets.map((secret) => ({ secret })));
  const stream = redactor.stream();
  // What a body that was cut ends with may be the beginning of a secret: that is held back, and not asked for.
  const shown = Buffer.concat([stream.push(bytes), ...(whole ? [stream.end()] : [])]).toString();
  const body = withoutShort(shown, secrets);
  const type = withoutShort(redactor.text(headers.get("content-type") ?? ""), secrets);
  return {
    status_code: status,
    content_type: type.slice(0, limits.captured_type_chars_max),
    body: body.slice(0, limits.captured_body_chars_max).toWellFormed(),
    body_truncated: !whole || body.length > limits.captured_body_chars_max,
  };
}

/** Those that the redactor takes for anything at all. Here they are known to be secrets. */
function withoutShort(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) {
    if (secret === "" || Buffer.byteLength(secret) >= limits.redacted_bytes_min) continue;
    const spelled = new Set(spellings.map((spelling) => spelling(secret).toString()));
    for (const each of [...spelled].toSorted((a, b) => b.length - a.length))
      if (each.length >= Math.min(secret.length, 3)) shown = shown.replaceAll(each, "*".repeat(each.length));
  }
  return shown;
}
