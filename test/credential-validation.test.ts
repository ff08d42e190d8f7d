import assert from "node:assert/strict";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { limits } from "../src/limits.ts";
import { type Answer, type FakeOAuth, startFakeOAuth } from "./fakes/oauth.ts";
import { newOAuthCredential, type OAuthCredential, refreshOf, validate } from "./harness/oauth.ts";
import { startTestServer } from "./harness/server.ts";

const logged: string[] = [];
const api = await startTestServer({ allow_private_hosts: ["127.0.0.1"], log: (line) => logged.push(line) });
after(() => api.close());
const { client } = api;
const { credentials } = client.beta.vaults;

let fake: FakeOAuth;
beforeEach(async () => {
  fake = await startFakeOAuth();
});
afterEach(() => fake.close());

const methods = () => fake.calls.map(({ rpc, method }) => rpc.method ?? method);
const answers = (answer: Answer, to = "initialize"): void => {
  fake.settings.onCall = ({ rpc, method }) => ((rpc.method ?? method) === to ? answer : null);
};
const plain = (status_code: number, body: string) => ({
  status_code,
  content_type: "text/plain",
  body,
  body_truncated: false,
});

describe("a credential that works", () => {
  for (const streams of [false, true]) {
    test(`is valid, by an MCP server that answers ${streams ? "in streams" : "in JSON"}`, async () => {
      fake.settings.streams = streams;
      const credential = await newOAuthCredential(client, fake);
      const { validated_at, ...validation } = await validate(client, credential);
      assert.deepEqual(validation, {
        type: "vault_credential_validation",
        credential_id: credential.id,
        vault_id: credential.vault_id,
        status: "valid",
        has_refresh_token: true,
        mcp_probe: null,
        refresh: null,
      });
      assert.ok(Math.abs(Date.parse(validated_at) - Date.now()) < 60_000);
      assert.deepEqual(methods(), ["initialize", "notifications/initialized", "tools/list", "DELETE"]);
      const [first, , list] = fake.calls;
      assert.equal(first?.headers["mcp-protocol-version"], undefined);
      assert.equal(list?.headers["mcp-protocol-version"], "2025-06-18");
      assert.equal(fake.refreshes.length, 0);
    });
  }

  test("is valid also where its token would have to be refreshed soon, which is not done", async () => {
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    const credential = await newOAuthCredential(client, fake, { expires_at });
    assert.equal((await validate(client, credential)).status, "valid");
    assert.equal(fake.refreshes.length, 0);
  });

  test("is valid by a server that has no tools, and by one that has only a stream of its own", async () => {
    const credential = await newOAuthCredential(client, fake);
    answers({ body: { jsonrpc: "2.0", id: 2, error: { code: -32601, message: "no" } } }, "tools/list");
    assert.equal((await validate(client, credential)).status, "valid");
    for (const status of [400, 404, 405]) {
      const headers = { "content-type": "text/event-stream" };
      fake.settings.onCall = ({ method }) =>
        method === "GET" ? { headers, body: "event: endpoint\ndata: /m\n\n" } : { status, body: "no" };
      assert.equal((await validate(client, credential)).status, "valid");
    }
    fake.settings.onCall = ({ method }) => (method === "GET" ? { status: 403 } : { status: 405 });
    const { status, mcp_probe } = await validate(client, credential);
    assert.equal(status, "invalid");
    assert.equal(mcp_probe?.http_response?.status_code, 403);
  });

  test("goes with redirects within its origin, and to no other one", async () => {
    const credential = await newOAuthCredential(client, fake, { mcp_server_url: `${fake.mcp_url}?old` });
    const other = await startFakeOAuth();
    let location = fake.mcp_url;
    fake.settings.onCall = ({ path }) =>
      path.endsWith("?old") ? { status: 307, headers: { location } } : null;
    assert.equal((await validate(client, credential)).status, "valid");
    location = other.mcp_url;
    const { status, mcp_probe } = await validate(client, credential);
    assert.equal(status, "unknown");
    assert.equal(mcp_probe?.http_response?.status_code, 307);
    assert.equal(other.calls.length, 0);
    location = `${fake.mcp_url}?old`;
    const looping = await validate(client, credential);
    assert.equal(looping.mcp_probe?.http_response?.status_code, 307);
    await other.close();
  });
});

describe("what an MCP server answers", () => {
  const cases: [status: number, verdict: string][] = [
    [403, "invalid"],
    [404, "invalid"],
    [400, "invalid"],
    [408, "unknown"],
    [429, "unknown"],
    [500, "unknown"],
    [503, "unknown"],
    [302, "unknown"],
  ];
  for (const method of ["initialize", "tools/list"]) {
    test(`to ${method} says what it says of the credential`, async () => {
      const credential = await newOAuthCredential(client, fake);
      for (const [status, verdict] of cases) {
        answers({ status, body: "as ordered" }, method);
        const validation = await validate(client, credential);
        assert.equal(validation.status, verdict, String(status));
        assert.deepEqual(validation.mcp_probe, { method, http_response: plain(status, "as ordered") });
        assert.equal(validation.refresh, null);
      }
      assert.equal(fake.refreshes.length, 0);
    });

    test(`to ${method} may be nothing, or nothing that means anything`, async () => {
      const credential = await newOAuthCredential(client, fake);
      const nonsense: Answer[] = [
        { end: "cut" },
        { body: { jsonrpc: "2.0", id: method === "initialize" ? 1 : 2, error: { code: -32000 } } },
        ...(method === "initialize"
          ? [{ body: "<h1>Log in" }, { status: 202 }, { body: { jsonrpc: "2.0", id: 1, result: {} } }]
          : []),
      ];
      for (const answer of nonsense) {
        answers(answer, method);
        const { status, mcp_probe } = await validate(client, credential);
        assert.equal(status, "unknown", JSON.stringify(answer));
        assert.deepEqual(mcp_probe, { method, http_response: null });
      }
    });
  }

  test("is not heard where the server may not be reached", async () => {
    const credential = await newOAuthCredential(client, fake, {
      mcp_server_url: "https://169.254.169.254/mcp",
    });
    const { status, mcp_probe } = await validate(client, credential);
    assert.equal(status, "unknown");
    assert.deepEqual(mcp_probe, { method: "initialize", http_response: null });
  });
});

describe("a token that the MCP server does not take", () => {
  test("is refreshed, and the new one is tried and kept", async () => {
    const credential = await newOAuthCredential(client, fake);
    fake.expire();
    const validation = await validate(client, credential);
    assert.equal(validation.status, "valid");
    assert.equal(validation.mcp_probe, null);
    assert.deepEqual(validation.refresh, { status: "succeeded", http_response: null });
    const again = await validate(client, credential);
    assert.deepEqual([again.status, again.refresh], ["valid", null]);
    assert.equal(fake.refreshes.length, 1);
    const shown = await credentials.retrieve(credential.id, { vault_id: credential.vault_id });
    assert.ok(shown.auth.type === "mcp_oauth" && Date.parse(shown.auth.expires_at ?? "") > Date.now());
  });

  test("is invalid without a refresh token", async () => {
    const credential = await newOAuthCredential(client, fake, { refresh: null });
    fake.expire();
    const { status, has_refresh_token, refresh, mcp_probe } = await validate(client, credential);
    assert.equal(status, "invalid");
    assert.equal(has_refresh_token, false);
    assert.deepEqual(refresh, { status: "no_refresh_token", http_response: null });
    assert.equal(mcp_probe?.method, "initialize");
    assert.deepEqual(mcp_probe?.http_response, {
      ...plain(401, '{"error":"invalid_token"}'),
      content_type: "application/json",
    });
  });

  test("is invalid where its refresh is refused or helps nothing, and unknown where nobody knows", async () => {
    const credential = await newOAuthCredential(client, fake);
    fake.expire();
    const cases: [answer: Answer, verdict: string, refresh: string][] = [
      [{ end: "cut" }, "unknown", "connect_error"],
      [{ status: 503, body: "as ordered" }, "unknown", "failed"],
      [{ status: 429, body: "as ordered" }, "unknown", "failed"],
      [{ status: 400, body: "as ordered" }, "invalid", "failed"],
    ];
    for (const [answer, verdict, how] of cases) {
      fake.settings.onRefresh = () => answer;
      const { status, refresh, mcp_probe } = await validate(client, credential);
      assert.equal(status, verdict, JSON.stringify(answer));
      const http_response = how === "failed" ? plain(answer.status ?? 0, "as ordered") : null;
      assert.deepEqual(refresh, { status: how, http_response });
      assert.equal(mcp_probe?.http_response?.status_code, 401);
    }
    // Each of them was asked for anew, however lately the one before had failed.
    assert.equal(fake.refreshes.length, cases.length);
    fake.settings.onRefresh = undefined;
    fake.settings.onCall = () => ({ status: 401, body: "never" });
    const useless = await validate(client, credential);
    assert.deepEqual([useless.status, useless.refresh?.status], ["invalid", "succeeded"]);
    assert.equal(useless.mcp_probe?.http_response?.status_code, 401);
  });

  test("is said to be archived where a client has done that meanwhile", async () => {
    const credential = await newOAuthCredential(client, fake);
    fake.expire();
    const gate = Promise.withResolvers<null>();
    fake.settings.onRefresh = () => gate.promise;
    const asking = validate(client, credential);
    await fake.heard.until(() => fake.refreshes[0]);
    await credentials.archive(credential.id, { vault_id: credential.vault_id });
    gate.resolve(null);
    await assert.rejects(asking, refused(400, /is archived/));
  });
});

const refused = (status: number, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Anthropic.APIError, String(error));
  assert.equal(error.status, status);
  assert.match(error.message, says);
  return true;
};

test("what is no OAuth credential, or none any more, is refused", async () => {
  const { vault_id, id } = await newOAuthCredential(client, fake);
  const bearer = await credentials.create(vault_id, {
    auth: { type: "static_bearer", mcp_server_url: "https://mcp.example.com", token: "t" },
  });
  await assert.rejects(
    validate(client, { vault_id, id: bearer.id }),
    refused(400, /static_bearer: only mcp_oauth can/),
  );
  const other = await newOAuthCredential(client, fake);
  await assert.rejects(validate(client, { vault_id, id: other.id }), refused(404, /credential .* not found/));
  await assert.rejects(
    validate(client, { vault_id: "vlt_01nobody", id }),
    refused(404, /vault .* not found/),
  );
  const keyed = credentials.mcpOAuthValidate(
    id,
    { vault_id },
    { headers: { "idempotency-key": "k" }, maxRetries: 0 },
  );
  await assert.rejects(keyed, refused(400, /idempotency-key: cannot be used here/));
  await credentials.archive(id, { vault_id });
  await assert.rejects(validate(client, { vault_id, id }), refused(400, /is archived/));
  assert.equal(fake.calls.length, 0);
});

test("answers are shown without the credential's secrets, however they are spelled, and cut", async () => {
  const secrets = {
    access_token: "access/token+with~odd=chars&more",
    refresh_token: 'refresh "token" of some length\\ <x>',
    client_secret: "client:secret/of some length",
  };
  const { access_token, refresh_token, client_secret } = secrets;
  const credential = await newOAuthCredential(client, fake, {
    access_token,
    refresh: {
      ...refreshOf(fake),
      refresh_token,
      token_endpoint_auth: { type: "client_secret_basic", client_secret },
    },
  });
  const spelled = Object.values(secrets).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ "": secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString("base64").replace(/=+$/, ""),
    Buffer.from(secret).toString("base64url"),
  ]);
  const echo = spelled.join(" | ");
  const rest = "y".repeat(limits.captured_body_chars_max);
  fake.settings.onCall = ({ headers }) => ({
    status: 401,
    headers: { "content-type": `text/${headers.authorization}` },
    body: `${echo} ${headers.authorization} ${rest}`,
  });
  fake.settings.onRefresh = ({ headers, text }) => ({
    status: 400,
    body: `${echo} ${headers.authorization} ${text} ${rest}`,
  });
  const validation = await validate(client, credential);
  assert.deepEqual([validation.status, validation.refresh?.status], ["invalid", "failed"]);
  const bodies = [validation.mcp_probe?.http_response, validation.refresh?.http_response];
  const said = [...bodies.flatMap((each) => [each?.body, each?.content_type]), ...logged].join("\n");
  for (const secret of spelled) assert.ok(!said.includes(secret), secret);
  for (const response of bodies) {
    assert.equal(response?.body_truncated, true);
    assert.equal(response?.body.length, limits.captured_body_chars_max);
    assert.match(response?.body ?? "", /\*{10} \| \*+/);
  }
  const asked = fake.refreshes[0]?.headers.authorization?.slice("Basic ".length) ?? "";
  assert.ok(asked.length > 10 && !said.includes(asked));
});

test("more validations than are done at a time are done one after the other", async () => {
  const vaults: OAuthCredential[] = await Promise.all(
    Array.from({ length: limits.credential_validations_parallel_max + 8 }, () =>
      newOAuthCredential(client, fake),
    ),
  );
  const gate = Promise.withResolvers<null>();
  fake.settings.onCall = () => gate.promise;
  const asking = vaults.map((each) => validate(client, each));
  await fake.heard.until(() => fake.calls[limits.credential_validations_parallel_max - 1]);
  assert.equal(fake.calls.length, limits.credential_validations_parallel_max);
  gate.resolve(null);
  for (const { status } of await Promise.all(asking)) assert.equal(status, "valid");
});
