import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { limits } from "../limits.ts";
import { type Answer, pairsOf } from "./answers.ts";
import { endToEnd, framing, hasBody } from "./headers.ts";
import type { BodySubstitution, OnUsed } from "./substitute.ts";
import type { Usable } from "./usable.ts";

/** A request as it is to leave. */
export interface Prepared {
  /** Names and values in turn; with those by which the body ends. */
  headers: string[];
  body: Readable;
  /** Ids of the secrets in it; those of a body are there when they have left. */
  used: Set<string>;
  /** Why it cannot leave, if it cannot; `why` is for an audit. */
  problem: (Answer & { why: string }) | null;
}

export interface HowToPrepare {
  /** Null where nothing may be used. */
  usable: Usable | null;
  /** Whether the answer is to come as it is, so that it can be read. */
  readable: boolean;
}

/** Puts secrets into a request. `response`: for a program that waits until it may send its body; null when there is none. */
export async function prepare(
  request: IncomingMessage,
  response: ServerResponse | null,
  path: string,
  { usable, readable }: HowToPrepare,
): Promise<Prepared> {
  const used = new Set<string>();
  const onUsed: OnUsed = ({ id }) => used.add(id);
  const dropped = readable ? ["accept-encoding", "sec-websocket-extensions"] : [];
  const kept = withoutAny(endToEnd(request.rawHeaders), dropped);
  const substituted = usable ? usable.substitution.headers(kept, onUsed) : kept;
  const repository = request.headers.authorization === undefined ? usable?.repositoryAt(path) : null;
  if (repository) used.add(repository.id);
  // Of an answer in parts each may hold a piece of the secret that was sent, by which nobody would know it.
  const mayUse = used.size > 0 || (hasBody(request) && usable?.substitution.body);
  const whole = !mayUse ? substituted : withoutAny(substituted ?? [], ["range", "if-range"]);
  const headers = [...(whole ?? []), ...(readable ? ["accept-encoding", "identity"] : [])];
  if (repository) {
    const account = Buffer.from(`x-access-token:${repository.token}`).toString("base64");
    headers.push("authorization", `Basic ${account}`);
  }
  const none = { headers, body: request, used };
  if (substituted === null) return { ...none, problem: unfit };
  if (bytesOf(headers) > limits.egress_head_bytes_max) return { ...none, problem: tooLarge };
  const leaving = await bodyOf(request, response, usable?.substitution.body ?? null, onUsed);
  const { expects = true } = leaving;
  return {
    headers: [...(expects ? headers : withoutAny(headers, ["expect"])), ...leaving.framing],
    body: leaving.body,
    used,
    problem: null,
  };
}

interface LeavingBody {
  framing: string[];
  body: Readable;
  /** Whether the program waits for the host's word, if it waits for one. */
  expects?: boolean;
}

async function bodyOf(
  request: IncomingMessage,
  response: ServerResponse | null,
  substitution: BodySubstitution | null,
  onUsed: OnUsed,
): Promise<LeavingBody> {
  const { "content-length": said, "content-encoding": coding = "identity", expect } = request.headers;
  const length = said === undefined ? null : Number(said);
  const asItIs = { framing: framing(request), body: request };
  if (substitution === null || !hasBody(request) || coding.toLowerCase() !== "identity") return asItIs;
  if (length !== null && length < substitution.bytes_min) return asItIs;
  const through = (body: AsyncIterable<Buffer> | Buffer[]) =>
    Readable.from(substitution.through(body, onUsed), { objectMode: false });
  if (length === null || substitution.keeps_length) return { ...asItIs, body: through(request) };
  if (length > limits.substituted_body_bytes_max)
    return { framing: ["transfer-encoding", "chunked"], body: through(request) };
  // The host cannot be asked whether it wants the body before its length is known.
  if (expect !== undefined) response?.writeContinue();
  const whole = await buffer(request);
  const framed = ["content-length", String(substitution.lengthOf(whole))];
  return { framing: framed, body: through([whole]), expects: false };
}

/** `names`: in small letters. */
const withoutAny = (headers: readonly string[], names: readonly string[]): string[] =>
  pairsOf(headers)
    .filter(([name]) => !names.includes(name.toLowerCase()))
    .flat();

/** As lines. */
const bytesOf = (headers: readonly string[]): number =>
  headers.reduce((sum, each) => sum + each.length + 2, 0);

const unfit = {
  status: 400,
  text: "Drover has not sent this request: a secret that a placeholder in its headers stands for holds a character that no header can.",
  why: "it cannot stand in a header",
};

const tooLarge = {
  status: 431,
  text: `Drover has not sent this request: with its secrets the head would have more than ${limits.egress_head_bytes_max} bytes.`,
  why: "the head would be too large",
};
