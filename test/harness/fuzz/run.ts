import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { errorBody, errorStatus } from "../../../src/protocol/errors.ts";
import { contents, prepareGround } from "../refusals.ts";
import { assertStillWorks, materialOf } from "./material.ts";
import { randomOf } from "./random.ts";
import { malformedRequest, type Request } from "./requests.ts";

const at_once = 8;
/** Requests between two looks at the database. */
const batch = 250;

/** Sends so many malformed requests to every route: each is refused as it should be, and nothing is changed by any. */
export async function fuzz(count: number, seed: number): Promise<void> {
  const logged: string[] = [];
  const ground = await prepareGround({
    models: { aliases: { a_model: "simulated" } },
    log: (line) => logged.push(line),
  });
  const agent = new Agent({ keepAlive: true });
  try {
    const material = await materialOf(ground);
    const before = await contents(ground.api);
    for (let first = 0; first < count; first += batch) {
      const last = Math.min(first + batch, count);
      const places = Array.from({ length: last - first }, (_, i) => first + i).values();
      const worker = async () => {
        for (const place of places) {
          const request = malformedRequest(material, randomOf(seed, place));
          const about = `seed ${seed}, request ${place}: ${shown(request)}`;
          const answer = await answerTo(ground.api.url, request, agent, about);
          if (isOfConsole(request)) assertPage(answer, about);
          else assertRefused(answer, about);
        }
      };
      await Promise.all(Array.from({ length: at_once }, worker));
      assert.deepEqual(
        await contents(ground.api),
        before,
        `seed ${seed}: one of ${first} to ${last} changed something`,
      );
    }
    assert.deepEqual(logged, [], `seed ${seed}: the server has logged errors`);
    await assertStillWorks(ground, material);
  } finally {
    agent.destroy();
    await ground.api.close();
  }
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** As raw as HTTP allows. A request that was not refused is not read to its end: it may be a stream. */
async function answerTo(url: string, request: Request, agent: Agent, about: string): Promise<Answer> {
  const { method, path, headers, body } = request;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    // Node frames the body of not every method by itself, and what is not framed would be the next request.
    const length: Record<string, string> =
      body === null ? {} : { "content-length": `${Buffer.byteLength(body)}` };
    const options = { hostname, port, method, path, headers: { ...headers, ...length }, agent };
    const sent = httpRequest(options, async (response) => {
      const { statusCode: status = 0, headers } = response;
      if (status < 400) response.destroy();
      const parts: Buffer[] = [];
      try {
        if (status >= 400) for await (const part of response) parts.push(part);
        resolve({ status, headers, text: Buffer.concat(parts).toString("utf8") });
      } catch (error) {
        reject(error);
      }
    });
    sent.on("error", (error: NodeJS.ErrnoException) => {
      // A kept connection that the server was closing when the request went out: it has not seen it.
      const retry = sent.reusedSocket && error.code === "ECONNRESET";
      if (retry) answerTo(url, request, new Agent(), about).then(resolve, reject);
      else reject(new Error(`${about}: ${error.message}`, { cause: error }));
    });
    sent.end(body ?? undefined);
  });
}

/** Beneath the console each path is a page or a file, but for its one route. */
function isOfConsole({ method, path }: Request): boolean {
  const asked = URL.parse(path, "http://localhost")?.pathname ?? "";
  return method === "GET" && asked.startsWith("/console/") && asked !== "/console/session";
}

/** It may not be built, and what it has no file for is not found. */
function assertPage({ status, headers, text }: Answer, request: string): void {
  const about = `${request}\nwas answered ${status} ${text.slice(0, 500)}`;
  assert.ok([200, 404, 503].includes(status), about);
  assert.match(headers["content-type"] ?? "", /^text\/(html|plain)/, about);
  assert.match(String(headers["content-security-policy"]), /default-src 'none'/, about);
}

function assertRefused({ status, headers, text }: Answer, request: string): void {
  const about = `${request}\nwas answered ${status} ${text.slice(0, 500)}`;
  assert.ok(status >= 400 && status < 500, about);
  assert.match(headers["content-type"] ?? "", /^application\/json/, about);
  const body = errorBody.parse(JSON.parse(text));
  assert.ok(body.error.type in errorStatus, about);
  assert.ok(body.error.message.length > 0 && body.error.message.length < 4_000, about);
  assert.match(body.request_id, /^req_01[A-Za-z0-9]{22}$/, about);
  assert.equal(headers["request-id"], body.request_id, about);
}

function shown({ method, path, headers, body }: Request): string {
  const short = (text: string) => (text.length > 600 ? `${text.slice(0, 600)}... (${text.length})` : text);
  const content =
    body === null
      ? ""
      : typeof body === "string"
        ? JSON.stringify(body)
        : `bytes ${Buffer.from(body).toString("hex")}`;
  return `${method} ${short(path)} ${short(JSON.stringify(headers))} ${short(content)}`;
}
