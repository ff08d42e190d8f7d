import { once } from "node:events";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { Unavailable } from "../../driver.ts";

/** A container engine, by its HTTP API over a unix socket. */
export interface Engine {
  /** Its answer, parsed if it is JSON. Throws `EngineError`, and `Unavailable` where no engine answers. */
  ask(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<unknown>;
  /** The body goes as it is. */
  send(path: string, body: Readable, type: string): Promise<string>;
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

export function connectEngine(socketPath: string): Engine {
  // Without a version in its path, a request is of the newest API that the engine has; what is used here is in all.
  async function answer(options: RequestOptions, body: Readable | string): Promise<string> {
    const call = request({ socketPath, ...options, agent: false });
    if (typeof body === "string") call.end(body);
    else body.pipe(call);
    const [response] = (await once(call, "response").catch((error: Error) => {
      throw new Unavailable(notThere(socketPath, error));
    })) as [IncomingMessage];
    const content = await text(response);
    const { statusCode = 0 } = response;
    if (statusCode < 400) return content;
    throw new EngineError(statusCode, messageIn(content));
  }

  return {
    async ask(method, path, body) {
      const json = body === undefined ? "" : JSON.stringify(body);
      const headers = {
        ...(json !== "" && { "content-type": "application/json" }),
        "content-length": Buffer.byteLength(json),
      };
      const content = await answer({ method, path, headers }, json);
      return content === "" ? null : JSON.parse(content);
    },
    send: (path, body, type) => answer({ method: "POST", path, headers: { "content-type": type } }, body),
    async attach(container) {
      const path = `/containers/${container}/attach?stream=1&stdin=1&stdout=1&stderr=1`;
      const headers = { connection: "Upgrade", upgrade: "tcp" };
      const call = request({ socketPath, method: "POST", path, headers, agent: false });
      call.end();
      return new Promise((resolve, reject) => {
        call.once("error", (error) => reject(new Unavailable(notThere(socketPath, error))));
        call.once("upgrade", (_response, socket, head) => {
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

function messageIn(content: string): string {
  try {
    return said.parse(JSON.parse(content)).message;
  } catch {
    return content.trim();
  }
}

function notThere(socketPath: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EACCES") return `${socketPath}, the socket of Docker, is closed to this user`;
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return `no container engine answers at ${socketPath}: install the package \`docker.io\` or start its service, or name another socket in DROVER_DOCKER_HOST`;
  return `the container engine at ${socketPath} cannot be asked (${error.message})`;
}
