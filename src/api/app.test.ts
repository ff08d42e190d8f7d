import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { serve } from "@hono/node-server";
import { z } from "zod";
import { DatabaseUnavailable } from "../db/errors.ts";
import { limits } from "../limits.ts";
import type { ErrorBody } from "../protocol/errors.ts";
import { route, streamRoute } from "./route.ts";
import { betaHeader, type TestApi, testApi, testKey } from "./testing.ts";

const failing = (path: string, error: Error, method: "GET" | "POST" = "GET") =>
  route({
    method,
    path,
    beta: null,
    summary: "Fails",
    response: z.null(),
    handle: () => Promise.reject(error),
  });

let api: TestApi;
before(async () => {
  api = await testApi([
    failing("/test/broken", new Error("secret internals")),
    failing("/test/away", new DatabaseUnavailable("connection refused at 10.0.0.1", { mayHaveRun: false })),
    failing("/test/away", new DatabaseUnavailable("refused", { mayHaveRun: false }), "POST"),
    failing("/test/lost", new DatabaseUnavailable("answer lost", { mayHaveRun: true })),
    failing("/test/lost", new DatabaseUnavailable("answer lost", { mayHaveRun: true }), "POST"),
    route({
      method: "POST",
      path: "/test/echo",
      beta: null,
      summary: "Echo",
      query: z.object({
        list: z.array(z.string()).optional(),
        range: z.object({ gte: z.string() }).optional(),
      }),
      body: z.looseObject({}),
      response: z.unknown(),
      handle: async ({ query, body }) => ({ query, body }),
    }),
    streamRoute({
      method: "GET",
      path: "/test/stream",
      beta: null,
      summary: "Stream",
      event: z.object({ type: z.string() }),
      handle: async ({ headers }) => new Response("event: x\ndata: {}\n\n", { headers }),
    }),
  ]);
});
after(() => api.close());

const agents = (headers: Record<string, string>) =>
  api.app.request("/v1/agents?beta=true", { headers: { "x-unknown": "1", traceparent: "x", ...headers } });

async function assertEnvelope(answer: Response, status: number, type: string): Promise<ErrorBody> {
  const body: ErrorBody = JSON.parse(await answer.text());
  assert.equal(answer.status, status, JSON.stringify(body));
  assert.equal(body.type, "error");
  assert.equal(body.error.type, type);
  assert.ok(body.error.message.length > 0);
  assert.match(body.request_id, /^req_01[0-9A-Za-z]{22}$/);
  assert.equal(answer.headers.get("request-id"), body.request_id);
  return body;
}

describe("headers", () => {
  const bearer = { authorization: `Bearer ${testKey}` };
  const accepted: [string, Record<string, string>][] = [
    ["a bearer token and the new version", { ...bearer, ...betaHeader, "anthropic-version": "2026-10-21" }],
    [
      "x-api-key and the old version",
      { "x-api-key": testKey, ...betaHeader, "anthropic-version": "2023-06-01" },
    ],
    ["no version", { "x-api-key": testKey, ...betaHeader }],
    [
      "a wrong bearer token beside a right key",
      { "x-api-key": testKey, authorization: "Bearer x", ...betaHeader },
    ],
    ["several betas", { ...bearer, "anthropic-beta": "files-api-2025-04-14, managed-agents-2026-04-01" }],
    ["its own workspace", { ...bearer, ...betaHeader, "anthropic-workspace-id": "wrkspc_default" }],
  ];
  for (const [what, headers] of accepted) {
    test(`takes ${what}`, async () => {
      const answer = await agents(headers);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("request-id") ?? "", /^req_/);
      assert.equal(answer.headers.get("anthropic-workspace-id"), "wrkspc_default");
    });
  }

  const refused: [string, Record<string, string>, number, string][] = [
    ["no key", betaHeader, 401, "authentication_error"],
    ["a wrong key", { "x-api-key": "nope", ...betaHeader }, 401, "authentication_error"],
    [
      "a key that begins like one",
      { "x-api-key": testKey.slice(0, -1), ...betaHeader },
      401,
      "authentication_error",
    ],
    [
      "basic authorization",
      { authorization: `Basic ${testKey}`, ...betaHeader },
      401,
      "authentication_error",
    ],
    ["no beta", bearer, 404, "not_found_error"],
    ["another beta", { ...bearer, "anthropic-beta": "managed-agents-2025-01-01" }, 404, "not_found_error"],
    [
      "an unknown version",
      { ...bearer, ...betaHeader, "anthropic-version": "2020-01-01" },
      400,
      "invalid_request_error",
    ],
    [
      "another workspace",
      { ...bearer, ...betaHeader, "anthropic-workspace-id": "wrkspc_other" },
      403,
      "permission_error",
    ],
  ];
  for (const [what, headers, status, type] of refused) {
    test(`refuses ${what}`, async () => {
      await assertEnvelope(await agents(headers), status, type);
    });
  }

  test("a beta header may be repeated", async () => {
    const headers = new Headers(bearer);
    headers.append("anthropic-beta", "other-2026-01-01");
    headers.append("anthropic-beta", "managed-agents-2026-04-01");
    assert.equal((await api.app.request("/v1/agents", { headers })).status, 200);
  });
});

describe("paths and methods", () => {
  const auth = { "x-api-key": testKey, ...betaHeader };

  test("what does not exist is a 404", async () => {
    for (const path of [
      "/",
      "/v1",
      "/v1/agent",
      "/v1/agents/",
      "/v1/agents/x",
      "/v1/agents/env_01x",
      "/v1/agents/agent_01x",
      "/v1/agents/%zz",
      "/v1/agents/agent_%00",
      "/v1/agents/agent_01x/bogus",
    ]) {
      await assertEnvelope(await api.app.request(path, { headers: auth }), 404, "not_found_error");
    }
  });

  test("a method that is not there is a 405 that names those that are", async () => {
    for (const method of ["DELETE", "PUT", "PATCH"]) {
      const answer = await api.app.request("/v1/agents", { method, headers: auth });
      await assertEnvelope(answer, 405, "invalid_request_error");
      assert.equal(answer.headers.get("allow"), "POST, GET");
    }
  });

  test("OPTIONS and HEAD", async () => {
    const options = await api.app.request("/v1/agents", { method: "OPTIONS" });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get("allow"), "POST, GET");
    const head = await api.app.request("/v1/agents", { method: "HEAD", headers: auth });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    assert.equal((await api.app.request("/test/stream", { method: "HEAD", headers: auth })).status, 405);
    assert.equal((await api.app.request("/test/stream", { headers: auth })).status, 200);
  });
});

describe("bodies", () => {
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    api.app.request("/test/echo", {
      method: "POST",
      body,
      headers: { "x-api-key": testKey, "content-type": "application/json", ...headers },
    });

  const refused: [string, string | Uint8Array<ArrayBuffer>, Record<string, string>, RegExp][] = [
    ["invalid JSON", "{", {}, /^body: is not valid JSON/],
    ["nothing", "", {}, /^body: is empty/],
    ["an array", "[]", {}, /^body: must be an object$/],
    ["a string", '"x"', {}, /^body: must be an object$/],
    ["null", "null", {}, /^body: must be an object$/],
    [
      "invalid UTF-8",
      Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
      {},
      /^body: is not valid UTF-8$/,
    ],
    ["a form", "a=1", { "content-type": "application/x-www-form-urlencoded" }, /^content-type: /],
    [
      "another charset",
      "{}",
      { "content-type": "application/json; charset=latin1" },
      /^content-type: charset/,
    ],
    ["a compressed body", "{}", { "content-encoding": "gzip" }, /^content-encoding: /],
    ["deep nesting", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, {}, /^body: is nested/],
    ["a prototype", '{"a":{"__proto__":{}}}', {}, /__proto__/],
  ];
  for (const [what, body, headers, message] of refused) {
    test(`refuses ${what}`, async () => {
      const { error } = await assertEnvelope(await post(body, headers), 400, "invalid_request_error");
      assert.match(error.message, message);
    });
  }

  test("takes a charset of UTF-8, a missing content type, and a byte order mark", async () => {
    for (const headers of [{ "content-type": "application/json; charset=UTF-8" }, { "content-type": "" }]) {
      assert.equal((await post("{}", headers)).status, 200);
    }
    assert.equal((await post('\ufeff{"a":1}')).status, 200);
  });

  test("takes what is just below the limit and refuses what is above", async () => {
    const filled = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
    assert.equal((await post(filled(limits.request_body_bytes_max))).status, 200);
    await assertEnvelope(await post(filled(limits.request_body_bytes_max + 1)), 413, "request_too_large");
  });

  test("a long stream of chunks is refused over a real socket, and the server lives on", async () => {
    const server = serve({ fetch: api.app.fetch, port: 0, hostname: "127.0.0.1" });
    try {
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const client = request({
        port,
        host: "127.0.0.1",
        method: "POST",
        path: "/test/echo",
        headers: { "x-api-key": testKey, "content-type": "application/json" },
      });
      client.on("error", () => {});
      const answered = once(client, "response");
      const chunk = Buffer.alloc(1 << 20, "x");
      let sent = 0;
      const pump = () => {
        while (sent < 64 << 20 && !client.destroyed) {
          sent += chunk.length;
          if (!client.write(chunk)) return client.once("drain", pump);
        }
        client.end();
      };
      pump();
      const [response] = await answered;
      assert.equal(response.statusCode, 413);
      const text = (await response.toArray()).join("");
      assert.equal(JSON.parse(text).error.type, "request_too_large");
      client.destroy();
      const health = await fetch(`http://127.0.0.1:${port}/healthz`);
      assert.deepEqual(await health.json(), { status: "ok" });
    } finally {
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
    }
  });
});

test("query strings: lists and ranges, raw and percent-encoded", async () => {
  const query = async (text: string) => {
    const { body } = await api.call<{ query?: object } & ErrorBody>("POST", `/test/echo?${text}`, {});
    return body.query ?? body.error.message;
  };
  assert.deepEqual(await query("list[]=a&list[]=b&x=1&y[z]=2"), { list: ["a", "b"] });
  assert.deepEqual(await query("list%5B%5D=a"), { list: ["a"] });
  assert.deepEqual(await query("range%5Bgte%5D=1&list="), { range: { gte: "1" } });
  assert.deepEqual(await query("range[]=1"), "range: must be an object");
  assert.deepEqual(await query("__proto__[gte]=1"), {});
});

describe("failures", () => {
  const get = (path: string) => api.app.request(path, { headers: { "x-api-key": testKey } });

  test("an unexpected error shows nothing and is logged with its request id", async () => {
    const body = await assertEnvelope(await get("/test/broken"), 500, "api_error");
    assert.doesNotMatch(JSON.stringify(body), /secret/);
    const entry = api.logged.at(-1);
    assert.equal(entry?.level, "error");
    assert.equal(entry?.fields.request_id, body.request_id);
    assert.match(entry?.fields.err?.message ?? "", /secret internals/);
  });

  test("an error after authentication names the workspace", async () => {
    assert.equal((await get("/v1/agents")).headers.get("anthropic-workspace-id"), "wrkspc_default");
  });

  test("a database that is away is a 503 worth a retry", async () => {
    const answer = await get("/test/away");
    assert.equal(answer.headers.get("retry-after"), "1");
    const body = await assertEnvelope(answer, 503, "api_error");
    assert.doesNotMatch(JSON.stringify(body), /10\.0\.0\.1/);
  });

  test("only what was certainly not done is to be repeated", async () => {
    const told = async (method: string, path: string) => {
      const { status, headers } = await api.call(method, path);
      return [status, headers.get("x-should-retry"), headers.get("retry-after")];
    };
    assert.deepEqual(await told("POST", "/test/away"), [503, null, "1"]);
    assert.deepEqual(await told("GET", "/test/lost"), [503, null, "1"]);
    assert.deepEqual(await told("POST", "/test/lost"), [503, "false", null]);
  });

  test("health needs no key and tells when the server cannot work", async () => {
    const own = await testApi();
    const healthy = await own.app.request("/healthz");
    assert.deepEqual([healthy.status, await healthy.json()], [200, { status: "ok" }]);
    await own.close();
    const ill = await own.app.request("/healthz");
    assert.deepEqual([ill.status, await ill.json()], [503, { status: "unavailable" }]);
    assert.match(ill.headers.get("request-id") ?? "", /^req_/);
  });
});

test("the OpenAPI document shows every route with its schemas", async () => {
  const document = JSON.parse(await (await api.app.request("/openapi.json")).text());
  assert.deepEqual(Object.keys(document.paths["/v1/agents"]), ["post", "get"]);
  const create = document.paths["/v1/agents"].post;
  const body = create.requestBody.content["application/json"].schema;
  assert.deepEqual(body.required, ["name", "model"]);
  assert.equal(body.properties.system.anyOf[0].maxLength, 100_000);
  assert.equal(create.responses["200"].content["application/json"].schema.properties.type.const, "agent");
  const parameters = document.paths["/v1/agents"].get.parameters;
  const named = (name: string) => parameters.find((entry: { name: string }) => entry.name === name);
  assert.deepEqual(named("limit").schema, { default: 20, type: "integer", minimum: 1, maximum: 100 });
  assert.equal(named("limit").required, false);
  assert.equal(named("created_at").style, "deepObject");
  assert.equal(named("anthropic-beta").required, true);
  assert.ok(document.paths["/test/stream"].get.responses["200"].content["text/event-stream"]);
});
