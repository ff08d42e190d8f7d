import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";

/** The JSON object in a request's body, undefined where there is none. Never holds more of it than the limit. */
export async function readJson(request: Request): Promise<unknown> {
  const [mediaType = "", ...parameters] = (request.headers.get("content-type") ?? "")
    .toLowerCase()
    .split(";");
  if (mediaType && !/^\s*application\/([\w.-]+\+)?json\s*$/.test(mediaType)) {
    throw invalid("content-type: must be application/json");
  }
  const charset = parameters.join(";").match(/charset\s*=\s*"?([\w-]+)/)?.[1];
  if (charset && charset !== "utf-8" && charset !== "utf8") {
    throw invalid("content-type: charset must be utf-8", { code: "unsupported_charset" });
  }
  const encoding = request.headers.get("content-encoding");
  if (encoding && encoding !== "identity")
    throw invalid("content-encoding: compressed bodies are not accepted");
  const text = decoded(await readBytes(request));
  if (text.trim() === "") return undefined;
  const value = parsedJson(text);
  checkStructure(value);
  return value;
}

function tooLarge(): ApiError {
  const mebibytes = limits.request_body_bytes_max / 1024 / 1024;
  return new ApiError("request_too_large", `the request body is larger than ${mebibytes} MB`, {
    headers: { connection: "close" },
  });
}

/**
 * Of a body that is too large the rest is read and forgotten, within reason: a client that is cut off while it still
 * sends sees a broken connection instead of the answer.
 */
async function readBytes(request: Request): Promise<Uint8Array> {
  const max = limits.request_body_bytes_max;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(request)) {
    bytes += chunk.byteLength;
    if (bytes <= max) chunks.push(chunk);
    else chunks.length = 0;
    if (bytes > limits.request_discard_bytes_max) break;
  }
  if (bytes > max) throw tooLarge();
  return Buffer.concat(chunks);
}

async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) return;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    reader.cancel().catch(() => {});
  }, limits.request_body_ms_max);
  try {
    while (true) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw invalid("body: the connection ended before the body did", { cause });
      });
      if (late) throw tooSlow();
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

const tooSlow = () =>
  invalid(`body: has not arrived within ${limits.request_body_ms_max / 1_000} s`, {
    code: "request_body_timeout",
    headers: { connection: "close" },
  });

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid("body: is not valid UTF-8", { cause });
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`body: is not valid JSON: ${reasonOf(error)}`);
  }
}

/** What the parser says where it only names a place. Else it quotes the text around it, which may be a part of a secret. */
function reasonOf(error: unknown): string {
  const said = error instanceof Error ? error.message : "";
  return /^Unexpected end of JSON input$| at position \d+ \(line \d+ column \d+\)$/.test(said)
    ? said
    : "unexpected token";
}

/** What a session is told is kept as it is, whatever it holds. Other texts go to columns and into queries. */
const keptAsTheyAre = ["events", "initial_events"];

/**
 * Refuses what is valid JSON but no honest request: nesting without end, keys that would set a prototype, and text that
 * no database keeps. `path` is where `value` stands: all that is held beside the body, however large it is.
 */
function checkStructure(value: unknown, path: string[] = []): void {
  if (typeof value === "string") checkText(value, path);
  if (typeof value !== "object" || value === null) return;
  if (path.length > limits.request_json_depth_max) {
    throw invalid(`body: is nested more than ${limits.request_json_depth_max} levels deep`);
  }
  if (Object.hasOwn(value, "__proto__")) throw invalid('body: "__proto__" is not allowed as a key');
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) checkInner(value[i], i, path);
    return;
  }
  for (const key of Object.keys(value)) {
    checkText(key, path);
    checkInner((value as Record<string, unknown>)[key], key, path);
  }
}

function checkInner(value: unknown, key: string | number, path: string[]): void {
  if (typeof value !== "string" && typeof value !== "object") return;
  path.push(String(key));
  checkStructure(value, path);
  path.pop();
}

function checkText(text: string, path: string[]): void {
  if (keptAsTheyAre.includes(path[0] ?? "")) return;
  if (text.includes("\0")) throw invalid(`${pathOf(path)}: text may not contain NUL characters`);
  if (!text.isWellFormed()) throw invalid(`${pathOf(path)}: text may not contain half a surrogate pair`);
}

const pathOf = (path: string[]) => path.map((key) => key.slice(0, 100)).join(".") || "body";
