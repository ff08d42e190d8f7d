import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Debian's Chromium by its own protocol, without a library that would take part of the time. */
export interface Chromium {
  page(): Promise<Page>;
  close(): Promise<void>;
}

export interface Page {
  send<Answer = unknown>(method: string, params?: object): Promise<Answer>;
  /** The value of an expression, which may be a promise. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** How long each task of the page's main thread took while `run` did, in `ms`. */
  tasks(run: () => Promise<void>): Promise<number[]>;
  close(): Promise<void>;
}

interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  params?: { value?: TraceEvent[] };
  result?: unknown;
  error?: { message: string };
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  dur?: number;
  args?: { name?: string };
}

const program = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));

/** Why there is none; null when there is one. */
export const noChromium =
  program === undefined ? "Chromium is not installed: apt-get install chromium" : null;

const chromiumArgs = [
  "--headless=new",
  // Its own sandbox cannot be had by root.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--no-first-run",
  "--window-size=1280,800",
  "--remote-debugging-port=0",
];

export async function startChromium(): Promise<Chromium> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-chromium-"));
  const child = spawn(program ?? "", [...chromiumArgs, `--user-data-dir=${folder}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  const { socket, waiting } = await connect(await addressOf(createInterface({ input: child.stderr })));
  let last = 0;
  const heard = new Map<string, Set<(message: Message) => void>>();

  function send<Answer>(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    const id = ++last;
    return new Promise((resolve, reject) => {
      waiting.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result as Answer),
      );
      socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
    });
  }
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    for (const hear of heard.get(message.method ?? "") ?? []) hear(message);
  });
  const on = (method: string, hear: (message: Message) => void) => {
    const all = heard.get(method) ?? new Set();
    heard.set(method, all.add(hear));
    return () => all.delete(hear);
  };

  async function tasks(run: () => Promise<void>): Promise<number[]> {
    const events: TraceEvent[] = [];
    const stop = on("Tracing.dataCollected", ({ params }) => events.push(...(params?.value ?? [])));
    await send("Tracing.start", {
      traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline", "toplevel"] },
    });
    await run();
    const complete = new Promise<void>((resolve) => on("Tracing.tracingComplete", () => resolve()));
    await send("Tracing.end");
    await complete;
    stop();
    const mains = new Set(
      events.filter(({ args }) => args?.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`),
    );
    return events
      .filter(({ name, pid, tid }) => name === "RunTask" && mains.has(`${pid} ${tid}`))
      .map(({ dur = 0 }) => dur / 1_000);
  }

  return {
    async page() {
      const { browserContextId } = await send<{ browserContextId: string }>("Target.createBrowserContext");
      const { targetId } = await send<{ targetId: string }>("Target.createTarget", {
        url: "about:blank",
        browserContextId,
      });
      const { sessionId } = await send<{ sessionId: string }>("Target.attachToTarget", {
        targetId,
        flatten: true,
      });
      return {
        send: (method, params) => send(method, params, sessionId),
        async evaluate<Value>(expression: string) {
          const { result, exceptionDetails } = await send<{
            result: { value: Value };
            exceptionDetails?: { text: string; exception?: { description?: string } };
          }>("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId);
          if (exceptionDetails)
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
          return result.value;
        },
        tasks,
        async close() {
          await send("Target.disposeBrowserContext", { browserContextId });
        },
      };
    },
    async close() {
      await send("Browser.close");
      socket.close();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function addressOf(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const address = /^DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (address) return address;
  }
  throw new Error("Chromium ended before it listened");
}

async function connect(address: string) {
  const socket = new WebSocket(address);
  await once(socket, "open");
  const waiting = new Map<number, (message: Message) => void>();
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id === undefined) return;
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  return { socket, waiting };
}
