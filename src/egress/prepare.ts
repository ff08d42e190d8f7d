import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { limits } from "../limits.ts";
import type { Redactor } from "../vault/redact.ts";
import { type Answer, pairsOf } from "./answers.ts";
import { endToEnd, framing, hasBody } from "./headers.ts";
import type { Asked } from "./http-front.ts";
import type { BodySubstitution, Holds, OnUsed } from "./substitute.ts";
import type { Usable } from "./usable.ts";

/** A request as it is to leave. */
export interface Prepared {
  /** Names and values in turn; with those by which the body ends. */
  headers: string[];
  body: Readable;
  /** Ids of the secrets in it; those of a body are there when they have left. */
  used: Set<string>;
  /** Of the answer; null where nothing could be in it. */
  redactor: Redactor | null;
  /** Why it cannot leave, if it cannot; `why` is for an audit. */
  problem: (Answer & { why: string }) | null;
}

/** What holds at a moment. */
export interface Holding {
  /** Null where nothing may be used. */
  usable: Usable | null;
  /** Of the answer, which is then to come as it is, so that it can be read. */
  redactor: Redactor | null;
}

export interface Preparing extends Asked {
  /** For a program that waits until it may send its body; null when there is none. */
  response: ServerResponse | null;
  path: string;
  now(): Promise<Holding>;
  /** Room for a body that is kept until it is whole, while the request is there. */
  room: Room;
}

/** How many bytes of bodies are kept that are not whole yet, or not sent. */
export interface Room {
  /** False where so many more are too many. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/**
 * Puts secrets into a request. A program may take its time for the body: what is put in is what holds when it leaves, and not
 * what held when the request began.
 */
export async function prepare({ request, body, response, path, now, room }: Preparing): Promise<Prepared> {
  const shape = shapeOf(request, (await now()).usable);
  const whole =
    shape.keep && room.take(shape.length)
      ? await keptBody({ request, body }, response, shape.length, room)
      : null;
  const { usable, redactor } = await now();
  const readable = redactor !== null;
  const used = new Set<string>();
  const onUsed: OnUsed = ({ id }) => used.add(id);
  const dropped = readable ? ["accept-encoding", "sec-websocket-extensions"] : [];
  const came = withoutAny(endToEnd(request.rawHeaders), dropped);
  const substituted = usable ? usable.substitution.headers(came, onUsed) : came;
  const repository = request.headers.authorization === undefined ? usable?.repositoryAt(path) : null;
  if (repository) used.add(repository.id);
  // Of an answer in parts each may hold a piece of the secret that was sent, by which nobody would know it.
  const mayUse = used.size > 0 || (hasBody(request) && usable?.substitution.body);
  const asked = !mayUse ? substituted : withoutAny(substituted ?? [], ["range", "if-range"]);
  const headers = [...(asked ?? []), ...(readable ? ["accept-encoding", "identity"] : [])];
  if (repository) {
    const account = Buffer.from(`x-access-token:${repository.token}`).toString("base64");
    headers.push("authorization", `Basic ${account}`);
  }
  const none = { headers, body, used, redactor };
  if (substituted === null) return { ...none, problem: unfit };
  if (bytesOf(headers) > limits.egress_head_bytes_max) return { ...none, problem: tooLarge };
  const holds: Holds = async (secret) => (await now()).usable?.holds(secret) ?? false;
  const leaving = bodyOf({ request, body }, whole, usable, onUsed, holds);
  const { expects = true } = leaving;
  return {
    headers: [...(expects ? headers : withoutAny(headers, ["expect"])), ...leaving.framing],
    body: leaving.body,
    used,
    redactor,
    problem: null,
  };
}

interface LeavingBody {
  framing: string[];
  body: Readable;
  /** Whether the program waits for the host's word, if it waits for one. */
  expects?: boolean;
}

/** Whether a body has to be kept until it is whole, since its length, which was announced, may change. */
function shapeOf(request: IncomingMessage, usable: Usable | null): { keep: boolean; length: number } {
  const length = Number(request.headers["content-length"] ?? Number.POSITIVE_INFINITY);
  const substitution = substitutionFor(request, usable);
  const keep =
    substitution !== null && !substitution.keeps_length && length <= limits.substituted_body_bytes_max;
  return { keep, length };
}

/** Null where nothing can be in its body. */
function substitutionFor(request: IncomingMessage, usable: Usable | null): BodySubstitution | null {
  const { "content-length": length, "content-encoding": coding = "identity" } = request.headers;
  const substitution = usable?.substitution.body ?? null;
  if (substitution === null || !hasBody(request) || coding.toLowerCase() !== "identity") return null;
  return length !== undefined && Number(length) < substitution.bytes_min ? null : substitution;
}

/** As many bytes as it has, in however many pieces they come. */
async function keptBody(
  { request, body }: Asked,
  response: ServerResponse | null,
  length: number,
  room: Room,
): Promise<Buffer> {
  const give = () => room.give(length);
  try {
    // The host cannot be asked whether it wants the body before its length is known.
    if (request.headers.expect !== undefined) response?.writeContinue();
    const whole = Buffer.alloc(length);
    let at = 0;
    for await (const chunk of body) at += (chunk as Buffer).copy(whole, at);
    if (response === null || response.destroyed) give();
    else response.once("close", give);
    return whole.subarray(0, at);
  } catch (error) {
    give();
    throw error;
  }
}

/** `whole`: all of it, where it was kept. */
function bodyOf(
  { request, body: came }: Asked,
  whole: Buffer | null,
  usable: Usable | null,
  onUsed: OnUsed,
  holds: Holds,
): LeavingBody {
  const substitution = substitutionFor(request, usable);
  if (whole !== null) {
    const length = substitution?.lengthOf(whole) ?? whole.length;
    const body = substitution?.through([whole], onUsed) ?? [whole];
    return {
      framing: ["content-length", String(length)],
      body: Readable.from(body, { objectMode: false }),
      expects: false,
    };
  }
  if (substitution === null) return { framing: framing(request), body: came };
  // What goes wrong with a secret is no fault of the program's connection, on which it is told so.
  const coming = came.iterator({ destroyOnReturn: false });
  const body = Readable.from(substitution.through(coming, onUsed, holds), { objectMode: false });
  const keepsFraming = request.headers["content-length"] === undefined || substitution.keeps_length;
  return { framing: keepsFraming ? framing(request) : ["transfer-encoding", "chunked"], body };
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
