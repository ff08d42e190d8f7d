import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";
import { listen } from "./harness/egress.ts";
import { type InterceptionRig, interceptionRig } from "./harness/interception.ts";

const run = promisify(execFile);

const placeholder = "sk-ant-PLACEHOLDERplaceholder0001";
const secret = "sk-ant-the-real-and-secret-value1";

interface Heard {
  method: string;
  url: string;
  rawHeaders: string[];
  headers: IncomingMessage["headers"];
  body: string;
  trailers: IncomingMessage["trailers"];
}

let rig: InterceptionRig;
let port = 0;
const servers: Server[] = [];
const heard: Heard[] = [];
/** What the host answers, once it has heard all. */
let reply: (request: IncomingMessage, response: ServerResponse, told: Heard) => void;

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { method = "", url = "", rawHeaders, headers, trailers } = request;
  const told = { method, url, rawHeaders, headers, trailers, body: Buffer.concat(parts).toString() };
  heard.push(told);
  reply(request, response, told);
}

before(async () => {
  rig = await interceptionRig(["up.test", "other.test", "third.test"]);
  const server = createServer(rig.tls, serve);
  port = await listen(server);
  servers.push(server);
});
after(async () => {
  for (const server of servers) server.close();
  await rig.stop();
  assert.deepEqual(rig.troubles, []);
});
beforeEach(() => {
  heard.length = 0;
  rig.uses.length = 0;
  reply = (_, response) => response.end("fine");
  rig.secrets.splice(0, rig.secrets.length, {
    type: "environment_variable",
    id: "cred_1",
    placeholder,
    secret,
    hosts: ["up.test"],
    header: true,
    body: true,
  });
});

const curl = async (...args: string[]) =>
  run("curl", ["-sS", "--max-time", "60", ...args], {
    env: rig.environment(await rig.gate()),
    encoding: "utf8",
  });

describe("curl", () => {
  test("sends placeholders, the host gets secrets, and curl sees none of them", async () => {
    reply = (_, response, told) =>
      response.setHeader("x-echo", told.headers.authorization ?? "").end(told.body);
    const url = `https://up.test:${port}/v1/a?b=${placeholder}`;
    const args = ["-i", "-H", `Authorization: Bearer ${placeholder}`, "-d", `{"key":"${placeholder}"}`];
    const { stdout } = await curl(...args, url);
    assert.equal(heard[0]?.headers.authorization, `Bearer ${secret}`);
    assert.equal(heard[0]?.body, `{"key":"${secret}"}`);
    assert.equal(heard[0]?.url, `/v1/a?b=${placeholder}`);
    assert.equal(heard[0]?.headers.host, `up.test:${port}`);
    assert.ok(!stdout.includes(secret));
    assert.match(stdout, new RegExp(`x-echo: Bearer ${placeholder}`));
    assert.match(stdout, new RegExp(`\\{"key":"${placeholder}"\\}$`));
    assert.deepEqual(await rig.outcomes("cred_1"), ["sent 200"]);
  });
});
