import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { limits } from "../../../limits.ts";
import { Unavailable } from "../../driver.ts";

/** A container engine, by its HTTP API over a unix socket. */
export interface Engine {
  /** Its answer, parsed if it is JSON. Throws `EngineError`, and `Unavailable` where no engine answers in time. */
  ask(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<unknown>;
  /** The bytes of its answer; null where they are more. */
  download(path: string, bytes_max: number): Promise<Buffer | null>;
  /** When it has removed the container, or can no longer say so. */
  removed(container: string): Promise<void>;
  /** Standard input, output and error of a container, as frames. */
  attach(container: string): Promise<Duplex>;
}

export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const said = z.object({ message: z.string() });

export function connectEngine(
  socketPath: string,
  { answer_ms_max = limits.engine_answer_ms_max }: { answer_ms_max?: number } = {},
): Engine {
  // Without a version in its path, a request is of the newest API that the engine has; what is used here is in all.
  async function answer(options: RequestOptions, body: string): Promise<string> {
    const call = request({ socketPath, ...options, agent: false });
    call.end(body);
    const { statusCode = 0, content } = await contentOf(call).catch((error: Error) => {
      throw new Unavailable(notThere(socketPath, error));
    });
    if (statusCode < 400) return content;
    throw new EngineError(statusCode, messageIn(content));
  }
  const inTime = () => ({ signal: AbortSignal.timeout(answer_ms_max) });

  return {
    async ask(method, path, body) {
      const json = body === undefined ? "" : JSON.stringify(body);
      const headers = {
        ...(json !== "" && { "content-type": "application/json" }),
        "content-length": Buffer.byteLength(json),
      };
      const content = await answer({ method, path, headers, ...inTime() }, json);
      return content === "" ? null : JSON.parse(content);
    },
    async download(path, bytes_max) {
      const call = request({ socketPath, method: "GET", path, agent: false, ...inTime() });
      call.end();
      try {
        const [response] = (await once(call, "response")) as [IncomingMessage];
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of response) {
          bytes += chunk.length;
          if (bytes > bytes_max) return null;
          chunks.push(chunk);
        }
        const content = Buffer.concat(chunks);
        const { statusCode = 0 } = response;
        if (statusCode < 400) return content;
        throw new EngineError(statusCode, messageIn(content.toString()));
      } catch (error) {
        throw error instanceof EngineError ? error : new Unavailable(notThere(socketPath, error as Error));
      } finally {
        call.destroy();
      }
    },
    async removed(container) {
      const path = `/containers/${container}/wait?condition=removed`;
      await answer({ method: "POST", path, headers: { "content-length": 0 } }, "").catch(() => {});
    },
    async attach(container) {
      const path = `/containers/${container}/attach?stream=1&stdin=1&stdout=1&stderr=1`;
      const headers = { connection: "Upgrade", upgrade: "tcp" };
      const call = request({ socketPath, method: "POST", path, headers, agent: false });
      const timer = setTimeout(() => call.destroy(new Error("no answer in time")), answer_ms_max);
      call.once("close", () => clearTimeout(timer));
      call.end();
      return new Promise((resolve, reject) => {
        call.once("error", (error) => reject(new Unavailable(notThere(socketPath, error))));
        call.once("upgrade", (_response, socket, head) => {
          clearTimeout(timer);
          if (head.length > 0) socket.unshift(head);
          resolve(socket);
        });
        call.once("response", async (response) => {
          const content = await text(response).catch(() => "");
          reject(new EngineError(response.statusCode ?? 0, messageIn(content)));
        });
      });
    },
  };
}

async function contentOf(call: ClientRequest): Promise<{ statusCode?: number; content: string }> {
  const [response] = (await once(call, "response")) as [IncomingMessage];
  const content = await text(response);
  return { statusCode: response.statusCode, content };
}

function messageIn(content: string): string {
  try {
    return said.parse(JSON.parse(content)).message;
  } catch {
    return content.trim();
  }
}

function notThere(socketPath: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ABORT_ERR") return `the container engine at ${socketPath} does not answer in time`;
  if (code === "EACCES") return `${socketPath}, the socket of Docker, is closed to this user`;
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return `no container engine answers at ${socketPath}: install the package \`docker.io\` or start its service, or name another socket in DROVER_DOCKER_HOST`;
  return `the container engine at ${socketPath} cannot be asked (${error.message})`;
}
