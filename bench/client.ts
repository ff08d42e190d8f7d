import { Agent, type IncomingMessage, request } from "node:http";

/**
 * HTTP with as little of its own as can be: `node:http` with kept connections, no SDK. A stream looks at the name of
 * each event and parses nothing else.
 */
export interface Client {
  post<Answer>(path: string, body: unknown): Promise<Answer>;
  delete(path: string): Promise<void>;
  /** Sends one user message. */
  say(sessionId: string, text: string): Promise<void>;
  stream(sessionId: string): Promise<Stream>;
  close(): void;
}

export interface Stream {
  /** Resolves when the next event of this type comes in. */
  next(type: string): Promise<void>;
  /** Hears of each event of the stream. */
  onEvent(listener: (type: string) => void): void;
  close(): void;
}

export function connectClient(url: string, apiKey: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const headers = {
    "x-api-key": apiKey,
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "managed-agents-2026-04-01",
  };

  function send(method: "POST" | "DELETE", path: string, text: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${url}${path}`, {
        agent,
        method,
        headers: {
          ...headers,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text),
        },
      });
      outgoing.on("response", resolve);
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        // The server closes an idle connection after a while, perhaps in the moment in which it is used again.
        const closed = outgoing.reusedSocket && error.code === "ECONNRESET";
        if (closed) resolve(send(method, path, text));
        else reject(error);
      });
      outgoing.end(text);
    });
  }

  async function ask(method: "POST" | "DELETE", path: string, text: string): Promise<string> {
    const answer = await send(method, path, text);
    const said = await textOf(answer);
    if (answer.statusCode === 200) return said;
    throw new Error(`${method} ${path} answered ${answer.statusCode}: ${said}`);
  }

  const post = async <Answer>(path: string, body: unknown): Promise<Answer> =>
    JSON.parse(await ask("POST", path, JSON.stringify(body))) as Answer;

  return {
    post,
    async delete(path) {
      await ask("DELETE", path, "");
    },
    async say(sessionId, text) {
      await post(`/v1/sessions/${sessionId}/events`, {
        events: [{ type: "user.message", content: [{ type: "text", text }] }],
      });
    },
    stream: (sessionId) =>
      new Promise((resolve, reject) => {
        const outgoing = request(`${url}/v1/sessions/${sessionId}/events/stream`, { agent: false, headers });
        outgoing.on("error", reject);
        outgoing.on("response", (response) => {
          if (response.statusCode === 200) resolve(reading(response));
          else reject(new Error(`the stream of ${sessionId} answered ${response.statusCode}`));
        });
        outgoing.end();
      }),
    close: () => agent.destroy(),
  };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function reading(response: IncomingMessage): Stream {
  const listeners = new Set<(type: string) => void>();
  let rest = "";
  response.setEncoding("latin1");
  response.on("data", (chunk: string) => {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const type = frame.slice("event: ".length, frame.indexOf("\n"));
      for (const listener of listeners) listener(type);
    }
  });
  response.on("error", () => {});
  return {
    next: (type) =>
      new Promise((resolve) => {
        const listener = (seen: string) => {
          if (seen !== type) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      }),
    onEvent: (listener) => void listeners.add(listener),
    close: () => response.destroy(),
  };
}
