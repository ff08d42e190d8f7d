import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";

/** A file within a form, while it arrives. */
export interface FormFile {
  field: string;
  /** Whatever the client has sent. */
  filename: string | undefined;
  mime_type: string;
  content: Readable;
}

export interface FormBounds {
  /** Names of the fields that are files, however they are sent. */
  files: readonly string[];
  /** All of the files together. */
  bytes_max: number;
  /** Files and fields together. */
  parts_max: number;
}

export interface Form<Taken> {
  /** What is sent more than once is a list. */
  fields: Record<string, string | string[]>;
  taken: Taken[];
}

/** What is needed of a request. */
export type Incoming = Pick<IncomingMessage, "headers" | "iterator">;

/** What has become of a file. */
export interface Discardable {
  discard(): Promise<void>;
}

/**
 * Reads a form as it arrives, and holds none of its files: `take` gets each. When this rejects, nothing of them is left, and
 * what the client still sends has been read, within reason: one that is cut off while it sends sees a broken connection
 * instead of the answer.
 */
export async function readForm<Taken extends Discardable>(
  incoming: Incoming,
  bounds: FormBounds,
  take: (file: FormFile) => Promise<Taken>,
): Promise<Form<Taken>> {
  const body = bodyOf(incoming, bounds.bytes_max);
  const taking: Promise<Taken>[] = [];
  const arriving = new Set<Readable>();
  const fields = new Map<string, string[]>();
  let problem: unknown = null;
  let wake = () => {};
  const fail = (error: unknown) => {
    problem ??= error;
    wake();
  };
  /** Until `act` calls back, or something is wrong. */
  const waitFor = async (act: (done: () => void) => void) => {
    await new Promise<void>((resolve) => {
      wake = resolve;
      act(resolve);
    });
    if (problem !== null) throw problem;
  };
  try {
    const parser = parserOf(incoming, bounds);
    const broken = (cause: unknown) =>
      fail(invalid(`body: is no whole multipart form: ${(cause as Error).message}`, { cause }));
    parser.on("file", (field, content, filename, _, mime_type) => {
      arriving.add(content);
      // The parser's own, before `take` hears of them. When `take` itself has given up, the stream is destroyed.
      content.on("error", (error) => {
        if (!content.destroyed) broken(error);
      });
      content.on("close", () => arriving.delete(content));
      const done = take({ field, filename, mime_type, content });
      done.catch(fail);
      taking.push(done);
    });
    parser.on("field", (name: string | undefined, value, _, truncated) => {
      if (name === undefined) fail(invalid("body: a part of the form has no name"));
      else if (truncated) fail(invalid(`${name.slice(0, 100)}: is too long`));
      else fields.set(name, [...(fields.get(name) ?? []), value]);
    });
    parser.on("partsLimit", () => fail(invalid("body: the form has too many parts")));
    parser.on("error", broken);
    let finished = false;
    parser.once("finish", () => {
      finished = true;
      wake();
    });

    for await (const chunk of body.chunks())
      await waitFor((done) => (problem === null ? parser.write(chunk, done) : done()));
    await waitFor((done) => {
      parser.end();
      if (finished || problem !== null) done();
    });
    return { fields: oneOrLists(fields), taken: await Promise.all(taking) };
  } catch (error) {
    for (const content of arriving) content.destroy(error as Error);
    const taken = await Promise.allSettled(taking);
    for (const one of taken) if (one.status === "fulfilled") await one.value.discard();
    await body.discard();
    throw error;
  }
}

const oneOrLists = (fields: Map<string, string[]>): Form<unknown>["fields"] =>
  Object.fromEntries(
    [...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );

function parserOf(incoming: Incoming, { files, parts_max }: FormBounds): InstanceType<typeof Busboy> {
  const { "content-type": type = "", "content-encoding": encoding = "identity" } = incoming.headers;
  if (encoding !== "identity") throw invalid("content-encoding: compressed bodies are not accepted");
  if (!/^multipart\/form-data\s*;.*boundary=/i.test(type))
    throw invalid("content-type: must be multipart/form-data with a boundary");
  try {
    return new Busboy({
      headers: { "content-type": type },
      preservePath: true,
      isPartAFile: (name) => files.includes(name ?? ""),
      limits: {
        fieldSize: limits.upload_field_bytes_max,
        parts: parts_max,
        headerPairs: limits.upload_header_pairs_max,
        headerSize: limits.upload_header_bytes_max,
      },
    });
  } catch (cause) {
    throw invalid(`content-type: ${(cause as Error).message}`, { cause });
  }
}

const tooLarge = (bytes_max: number) =>
  new ApiError("request_too_large", `the upload is larger than ${bytes_max >> 20} MB`, {
    headers: { connection: "close" },
  });

const silent = () =>
  invalid(`body: nothing came for ${limits.upload_idle_ms / 1_000} s`, {
    code: "request_body_timeout",
    headers: { connection: "close" },
  });

/** What arrives, as long as it is not too much and does not stop. The stream itself stays whole for the answer. */
function bodyOf(incoming: Incoming, files_bytes_max: number) {
  const bytes_max = files_bytes_max + limits.upload_form_bytes_max;
  const arriving = incoming.iterator({ destroyOnReturn: false });
  let bytes = 0;
  let over = false;

  async function next(): Promise<Buffer | null> {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => silence.reject(silent()), limits.upload_idle_ms);
    try {
      const { done, value } = await Promise.race([nextOf(arriving), silence.promise]);
      return done ? null : (value as Buffer);
    } catch (error) {
      // Nobody is there to hear the answer, or nobody who goes on.
      over = error instanceof Disconnected || isSilence(error);
      throw error instanceof Disconnected ? invalid("body: the connection ended before the body did") : error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async *chunks(): AsyncGenerator<Buffer> {
      if (Number(incoming.headers["content-length"]) > bytes_max) throw tooLarge(files_bytes_max);
      for (;;) {
        const chunk = await next();
        over = chunk === null;
        if (chunk === null) return;
        bytes += chunk.length;
        if (bytes > bytes_max) throw tooLarge(files_bytes_max);
        yield chunk;
      }
    },
    async discard(): Promise<void> {
      const most = bytes_max + limits.request_discard_bytes_max;
      while (!over && bytes <= most) {
        const chunk = await next().catch(() => null);
        over = chunk === null;
        bytes += chunk?.length ?? 0;
      }
    },
  };
}

const isSilence = (error: unknown) =>
  error instanceof ApiError && error.details?.error_code === "request_body_timeout";

class Disconnected extends Error {
  override readonly name = "Disconnected";
}

async function nextOf(arriving: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  try {
    return await arriving.next();
  } catch (cause) {
    throw new Disconnected("the client is gone", { cause });
  }
}
