import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { ask, type Bad, contents, refusals } from "./harness/refusals.ts";
import { beta, testKey } from "./harness/server.ts";

const { ground, refuses, stillWorks } = refusals();

const events = (...list: unknown[]) => ({ events: list });
const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const text = (value: unknown) => ({ type: "user.message", content: [{ type: "text", text: value }] });
const mebibytes = (count: number) => "x".repeat(count << 20);

refuses("bodies that are no JSON object", ({ session, facts }) =>
  [
    "/v1/agents",
    "/v1/environments",
    "/v1/sessions",
    `/v1/agents/${facts.agent_id}`,
    `/v1/environments/${facts.environment_id}`,
    `/v1/sessions/${session}`,
    `/v1/sessions/${session}/events`,
  ].flatMap((path): Bad[] => [
    { what: `${path}: empty`, path, body: "" },
    { what: `${path}: cut short`, path, body: '{"name":' },
    { what: `${path}: a word`, path, body: "hello" },
    { what: `${path}: null`, path, body: "null" },
    { what: `${path}: a list`, path, body: "[]" },
    { what: `${path}: a number`, path, body: "1e999" },
    { what: `${path}: a text`, path, body: '"text"' },
    { what: `${path}: two values`, path, body: "{}{}" },
    { what: `${path}: a trailing comma`, path, body: '{"a":1,}' },
    {
      what: `${path}: no UTF-8`,
      path,
      body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    },
    {
      what: `${path}: a byte order mark of UTF-16`,
      path,
      body: new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
    },
    { what: `${path}: nested without end`, path, body: deep(100_000) },
    { what: `${path}: nested in a field`, path, body: `{"metadata":${deep(5_000)}}` },
    { what: `${path}: __proto__`, path, body: '{"__proto__":{"admin":true}}', says: /__proto__/ },
    { what: `${path}: an unknown field`, path, body: { surprise: 1 }, says: /surprise/ },
    {
      what: `${path}: a form`,
      path,
      body: "a=1",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    },
    { what: `${path}: plain text`, path, body: "{}", headers: { "content-type": "text/plain" } },
    {
      what: `${path}: another charset`,
      path,
      body: "{}",
      headers: { "content-type": "application/json; charset=latin1" },
    },
    { what: `${path}: compressed`, path, body: "{}", headers: { "content-encoding": "gzip" } },
  ]),
);

refuses("bodies larger than 32 MB", ({ session }) => [
  { what: "agents", path: "/v1/agents", body: `{"name":"${mebibytes(33)}"}`, status: 413 },
  {
    what: "events",
    path: `/v1/sessions/${session}/events`,
    body: JSON.stringify(events(text(mebibytes(33)))),
    status: 413,
  },
]);

refuses("queries", ({ session, facts, cursors }) => {
  const lists = [
    "/v1/agents",
    `/v1/agents/${facts.agent_id}/versions`,
    "/v1/environments",
    "/v1/sessions",
    `/v1/sessions/${session}/events`,
    `/v1/sessions/${session}/threads`,
  ];
  const own = `/v1/sessions/${session}/events`;
  return [
    ...lists.flatMap((path): Bad[] => [
      { what: `${path}: limit 0`, path: `${path}?limit=0`, says: /limit/ },
      { what: `${path}: limit -1`, path: `${path}?limit=-1`, says: /limit/ },
      { what: `${path}: limit x`, path: `${path}?limit=x`, says: /limit/ },
      { what: `${path}: limit 1.5`, path: `${path}?limit=1.5` },
      { what: `${path}: limit 1e9`, path: `${path}?limit=1000000000` },
      { what: `${path}: two limits`, path: `${path}?limit=1&limit=2` },
      { what: `${path}: an unknown parameter`, path: `${path}?surprise=1`, says: /surprise/ },
      { what: `${path}: an unknown list`, path: `${path}?surprise[]=1`, says: /surprise/ },
      { what: `${path}: a nested key`, path: `${path}?limit[a][b]=1`, says: /limit\[a\]\[b\]/ },
      { what: `${path}: __proto__`, path: `${path}?__proto__[a]=1`, says: /__proto__/ },
      { what: `${path}: limits by key`, path: `${path}?limit[gte]=1` },
      { what: `${path}: a page that is no cursor`, path: `${path}?page=xyz`, says: /page/ },
      { what: `${path}: a page without end`, path: `${path}?page=${"A".repeat(3_000)}`, says: /page/ },
      {
        what: `${path}: a page of another list`,
        path: `${path}?page=${path === "/v1/sessions" ? cursors.events : cursors.sessions}`,
        says: /page/,
      },
      {
        what: `${path}: a page that is JSON of ours with other things in it`,
        path: `${path}?page=${Buffer.from('{"list":"sessions","order":"desc","back":false,"position":{"at":"now","id":5}}').toString("base64url")}`,
      },
    ]),
    { what: "a cursor with another order", path: `/v1/sessions?order=asc&page=${cursors.sessions}` },
    {
      what: "a cursor outside the range",
      path: `/v1/sessions?created_at[gt]=2999-01-01T00:00:00Z&page=${cursors.sessions}`,
    },
    {
      what: "an unknown bound",
      path: "/v1/sessions?created_at[after]=2026-01-01T00:00:00Z",
      says: /created_at\.after/,
    },
    {
      what: "agents by an open range",
      path: "/v1/agents?created_at[gt]=2026-01-01T00:00:00Z",
      says: /created_at\.gt/,
    },
    {
      what: "environments by time",
      path: "/v1/environments?created_at[gte]=2026-01-01T00:00:00Z",
      says: /created_at/,
    },
    { what: "a parameter where there is none", path: `/v1/sessions/${session}?limit=1`, says: /limit/ },
    { what: "an unknown parameter of a stream", path: `${own}/stream?from=0`, says: /from/ },
    { what: "an unknown order", path: "/v1/sessions?order=random" },
    { what: "an unknown status", path: "/v1/sessions?statuses[]=asleep" },
    { what: "101 statuses", path: `/v1/sessions?${"statuses[]=idle&".repeat(101)}` },
    {
      what: "an agent version beyond all numbers",
      path: `/v1/sessions?agent_id=${facts.agent_id}&agent_version=-5`,
    },
    {
      what: "an agent version that no column holds",
      path: `/v1/sessions?agent_id=${facts.agent_id}&agent_version=99999999999`,
      says: /agent_version: must be at most 2147483647/,
    },
    {
      what: "a year that an offset takes beyond 9999",
      path: "/v1/sessions?created_at[lt]=9999-12-31T23:59:59-23:00",
      says: /created_at\.lt/,
    },
    { what: "a year 0 by its offset", path: "/v1/sessions?created_at[gte]=0001-01-01T00:00:00%2B23:00" },
    { what: "a time that is none", path: "/v1/sessions?created_at[gte]=yesterday" },
    { what: "a time without a zone", path: "/v1/sessions?created_at[gte]=2026-01-01T00:00:00" },
    { what: "a day that is none", path: "/v1/sessions?created_at[gte]=2026-02-31T00:00:00Z" },
    { what: "the year 0", path: "/v1/sessions?created_at[gte]=0000-01-01T00:00:00Z" },
    { what: "a time without a bound", path: "/v1/sessions?created_at=2026-01-01T00:00:00Z" },
    {
      what: "a time without a bound beside one with",
      path: "/v1/sessions?created_at=junk&created_at[gte]=2026-01-01T00:00:00Z",
      says: /created_at/,
    },
    {
      what: "two times for one bound",
      path: "/v1/sessions?created_at[gte]=junk&created_at[gte]=2026-01-01T00:00:00Z",
      says: /created_at\.gte/,
    },
    { what: "a list with a key", path: "/v1/sessions?statuses[]=idle&statuses[x]=idle", says: /statuses/ },
    { what: "a truth that is none", path: "/v1/sessions?include_archived=perhaps" },
    { what: "an agent with a NUL", path: "/v1/sessions?agent_id=%00" },
    { what: "an agent without end", path: `/v1/sessions?agent_id=${"a".repeat(101)}` },
    { what: "an unknown type of event", path: `${own}?types[]=agent.shout` },
    { what: "a cursor of a stream for a page", path: `${own}?page=${cursors.stream}` },
    { what: "a stream after nonsense", path: `${own}/stream?after=nonsense` },
    { what: "a stream after what is to come", path: `${own}/stream?after=${cursors.stream}000` },
    { what: "a stream after a NUL", path: `${own}/stream?after=%00` },
    { what: "a stream after two things", path: `${own}/stream?after=0&after=1` },
    {
      what: "a stream with an id of nonsense",
      path: `${own}/stream`,
      headers: { "last-event-id": "nonsense" },
    },
    { what: "a stream with previews of what has none", path: `${own}/stream?event_deltas[]=agent.tool_use` },
    {
      what: "a stream with 101 kinds of previews",
      path: `${own}/stream?${"event_deltas[]=agent.message&".repeat(101)}`,
    },
    { what: "a stream of an unknown type of event", path: `${own}/stream?types[]=agent.shout` },
    {
      what: "a stream of a missing session",
      path: "/v1/sessions/sesn_01missing/events/stream",
      status: 404,
    },
    {
      what: "a stream of a missing thread",
      path: `/v1/sessions/${session}/threads/sthr_01x/stream`,
      status: 404,
    },
  ];
});

refuses("headers, methods and paths", ({ session, facts }): Bad[] => [
  { what: "no key", path: "/v1/agents", headers: { "x-api-key": null }, status: 401 },
  { what: "a wrong key", path: "/v1/agents", headers: { "x-api-key": "wrong" }, status: 401 },
  {
    what: "an empty bearer",
    path: "/v1/agents",
    headers: { "x-api-key": null, authorization: "Bearer " },
    status: 401,
  },
  {
    what: "a key without end",
    path: "/v1/agents",
    headers: { "x-api-key": "k".repeat(8_000) },
    status: 401,
  },
  {
    what: "basic auth",
    path: "/v1/agents",
    headers: { "x-api-key": null, authorization: "Basic dTpw" },
    status: 401,
  },
  {
    what: "another workspace",
    path: "/v1/agents",
    headers: { "anthropic-workspace-id": "wrkspc_other" },
    status: 403,
  },
  { what: "an unknown version", path: "/v1/agents", headers: { "anthropic-version": "1999-01-01" } },
  { what: "no beta header", path: "/v1/sessions", headers: { "anthropic-beta": null }, status: 404 },
  {
    what: "another beta header",
    path: "/v1/sessions",
    headers: { "anthropic-beta": "files-api-2025-04-14" },
    status: 404,
  },
  {
    what: "no beta header on a stream",
    path: `/v1/sessions/${session}/events/stream`,
    headers: { "anthropic-beta": null },
    status: 404,
  },
  { what: "PUT", method: "PUT", path: `/v1/sessions/${session}`, body: {}, status: 405 },
  { what: "PATCH", method: "PATCH", path: `/v1/agents/${facts.agent_id}`, body: {}, status: 405 },
  { what: "DELETE of an agent", method: "DELETE", path: `/v1/agents/${facts.agent_id}`, status: 405 },
  { what: "DELETE of all sessions", method: "DELETE", path: "/v1/sessions", status: 405 },
  {
    what: "POST to a stream",
    method: "POST",
    path: `/v1/sessions/${session}/events/stream`,
    body: {},
    status: 405,
  },
  { what: "HEAD of a stream", method: "HEAD", path: `/v1/sessions/${session}/events/stream`, status: 405 },
  { what: "GET of an archive", path: `/v1/sessions/${session}/archive`, status: 405 },
  { what: "a path that is not there", path: "/v1/nothing", status: 404 },
  { what: "the root", path: "/", status: 404 },
  { what: "a way up", path: "/v1/agents/..%2f..%2fetc%2fpasswd", status: 404 },
  { what: "two slashes", path: "//v1//agents", status: 404 },
  { what: "a broken escape", path: "/v1/%", status: 404 },
]);

test("times in any offset that RFC 3339 knows are taken, in filters and in cursors", async () => {
  const forged = Buffer.from(
    JSON.stringify({
      list: "sessions",
      order: "desc",
      back: false,
      position: { at: "9999-01-01T00:00:00.123456+23:59", id: "x" },
    }),
  ).toString("base64url");
  const paths = [
    "/v1/agents?created_at[gte]=2026-01-01T00:00:00%2B23:00",
    "/v1/sessions?created_at[gte]=2026-01-01T00:00:00.5%2B23:00",
    "/v1/sessions?created_at[gt]=2026-01-01T00:00:00-23:59",
    `/v1/sessions/${ground().session}/events?created_at[gte]=2026-01-01T00:00:00%2B23:00`,
    `/v1/sessions?page=${forged}`,
  ];
  for (const path of paths) {
    const answer = await ask(ground().api, { what: "", path });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text.slice(0, 500)}`);
    assert.ok(JSON.parse(text).data.length > 0, path);
  }
});

/** Sends bytes as they are and reads what comes back until the connection closes or says enough. */
function talk(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(ground().api.url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk;
      if (/\r\n\r\n.*\}$/s.test(heard)) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(heard));
  });
}

describe("what HTTP itself refuses", () => {
  test("is a 4xx with the envelope, and the server goes on", async () => {
    const broken = [
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "SHOUT /v1/agents HTTP/1.1\r\nhost: a\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a b\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a/b\r\n\r\n",
      "GET http://[/v1/agents HTTP/1.1\r\nhost: a\r\n\r\n",
      "GET /v1/agents HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
      `GET /v1/agents?x=${"y".repeat(100_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
      `GET /v1/agents HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(100_000)}\r\n\r\n`,
      "POST /v1/agents HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
      "POST /v1/agents HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    ];
    for (const bytes of broken) {
      const answer = await talk(bytes);
      const about = `${bytes.slice(0, 60)}: ${answer}`;
      assert.match(answer, bytes.length > 50_000 ? /^HTTP\/1\.1 431 / : /^HTTP\/1\.1 400 /, about);
      const body = JSON.parse(answer.split("\r\n\r\n")[1] ?? "");
      assert.equal(body.type, "error", about);
      assert.equal(body.error.type, "invalid_request_error", about);
      assert.match(body.request_id, /^req_01[A-Za-z0-9]{22}$/, about);
      assert.equal(/^request-id: (.*)$/im.exec(answer)?.[1]?.trim(), body.request_id, about);
    }
    assert.equal((await fetch(`${ground().api.url}/healthz`)).status, 200);
  });

  test("a body that is cut off changes nothing", async () => {
    const before = await contents(ground().api);
    await new Promise<void>((resolve) => {
      const request = httpRequest(`${ground().api.url}/v1/agents`, {
        method: "POST",
        headers: {
          "x-api-key": testKey,
          "anthropic-beta": beta,
          "content-type": "application/json",
          "content-length": 500,
        },
      });
      request.on("error", () => {});
      request.on("close", () => resolve());
      request.write('{"name":"half');
      request.once("socket", (socket) => socket.once("connect", () => setImmediate(() => request.destroy())));
    });
    assert.deepEqual(await contents(ground().api), before);
  });
});

stillWorks();
