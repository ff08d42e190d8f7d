import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, type FakeOAuth, startFakeOAuth } from "../../test/fakes/oauth.ts";
import { limits } from "../limits.ts";
import { createGuard, type Guard } from "../net/guard.ts";
import { askTokenEndpoint, type RefreshAnswer, type RefreshRequest } from "./oauth.ts";

let fake: FakeOAuth;
let guard: Guard;
before(async () => {
  fake = await startFakeOAuth();
  guard = createGuard({ allow_private_hosts: ["127.0.0.1"] });
});
after(async () => {
  await guard.close();
  await fake.close();
});

const request = (changes: Partial<RefreshRequest> = {}): RefreshRequest => ({
  token_endpoint: fake.token_endpoint,
  client_id: "client",
  client_secret: null,
  method: "none",
  refresh_token: fake.refresh_token,
  scope: null,
  resource: null,
  hidden: ["the-access-token"],
  ...changes,
});

async function heardOf(changes: Partial<RefreshRequest>) {
  const answer = await askTokenEndpoint(guard, request(changes));
  assert.equal(answer.status, "succeeded");
  const asked = fake.refreshes.at(-1) ?? assert.fail();
  return { form: Object.fromEntries(asked.form), headers: asked.headers, method: asked.method };
}

async function answeredWith(answer: Answer, changes: Partial<RefreshRequest> = {}): Promise<RefreshAnswer> {
  fake.settings.onRefresh = () => answer;
  try {
    return await askTokenEndpoint(guard, request(changes));
  } finally {
    fake.settings.onRefresh = undefined;
  }
}

describe("a client says who it is", () => {
  test("by its id alone", async () => {
    const refresh_token = fake.refresh_token;
    const { form, headers, method } = await heardOf({ scope: "a b", resource: "https://mcp.example/x?y" });
    assert.deepEqual(form, {
      grant_type: "refresh_token",
      refresh_token,
      scope: "a b",
      resource: "https://mcp.example/x?y",
      client_id: "client",
    });
    assert.equal(method, "POST");
    assert.equal(headers.authorization, undefined);
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
    assert.equal(headers.accept, "application/json");
  });

  test("by a header, in which id and secret are encoded as in a form", async () => {
    const refresh_token = fake.refresh_token;
    const { form, headers } = await heardOf({
      method: "client_secret_basic",
      client_id: "https://client.example/a b",
      client_secret: "s:e%c+r&t",
    });
    assert.deepEqual(form, { grant_type: "refresh_token", refresh_token });
    const [scheme, encoded = ""] = headers.authorization?.split(" ") ?? [];
    assert.equal(scheme, "Basic");
    assert.equal(
      Buffer.from(encoded, "base64").toString(),
      "https%3A%2F%2Fclient.example%2Fa+b:s%3Ae%25c%2Br%26t",
    );
  });

  test("by a field of the form", async () => {
    const refresh_token = fake.refresh_token;
    const { form, headers } = await heardOf({ method: "client_secret_post", client_secret: "s:e%c+r&t" });
    assert.deepEqual(form, {
      grant_type: "refresh_token",
      refresh_token,
      client_id: "client",
      client_secret: "s:e%c+r&t",
    });
    assert.equal(headers.authorization, undefined);
  });
});

describe("an answer", () => {
  const token = { access_token: "new-access-token", token_type: "bearer" };

  test("with tokens is taken, as far as it is one", async () => {
    const cases: [body: object, expected: { refresh_token: string | null; expires_in_s: number | null }][] = [
      [token, { refresh_token: null, expires_in_s: null }],
      [
        { ...token, expires_in: 60, refresh_token: "r" },
        { refresh_token: "r", expires_in_s: 60 },
      ],
      [
        { ...token, expires_in: "60" },
        { refresh_token: null, expires_in_s: 60 },
      ],
      [
        { ...token, expires_in: "soon", refresh_token: null },
        { refresh_token: null, expires_in_s: null },
      ],
      [
        { ...token, refresh_token: "" },
        { refresh_token: null, expires_in_s: null },
      ],
      [
        { ...token, expires_in: -1 },
        { refresh_token: null, expires_in_s: null },
      ],
      [
        { ...token, expires_in: 1e300 },
        { refresh_token: null, expires_in_s: null },
      ],
      [
        { ...token, token_type: undefined },
        { refresh_token: null, expires_in_s: null },
      ],
    ];
    for (const [body, expected] of cases) {
      const answer = await answeredWith({ body });
      assert.deepEqual(
        answer,
        { status: "succeeded", access_token: token.access_token, http_status: 200, ...expected },
        JSON.stringify(body),
      );
    }
  });

  test("with anything else is a failure, and a refusal where it judges what it was sent", async () => {
    const cases: [answer: Answer, isRefusal: boolean, why: RegExp][] = [
      [{ status: 400, body: { error: "invalid_grant" } }, true, /answers 400 \(invalid_grant\)$/],
      [{ status: 401, body: { error: "invalid_client" } }, true, /answers 401 \(invalid_client\)$/],
      [{ status: 400, body: { error: "Never heard of" } }, true, /answers 400$/],
      [{ status: 404, body: "nothing" }, true, /answers 404$/],
      [{ status: 200, body: { error: "bad_refresh_token" } }, true, /answers 200$/],
      [{ status: 408, body: "" }, false, /answers 408$/],
      [{ status: 429, body: "slow" }, false, /answers 429$/],
      [{ status: 500, body: "oops" }, false, /answers 500$/],
      [{ status: 503, body: { error: "invalid_grant" } }, false, /answers 503 \(invalid_grant\)$/],
      [{ status: 302, headers: { location: fake.token_endpoint } }, false, /answers 302$/],
      [{ body: "<h1>Log in" }, false, /something else than a token$/],
      [{ body: {} }, false, /something else than a token$/],
      [{ body: { ...token, access_token: "" } }, false, /something else/],
      [{ body: { ...token, access_token: "two\nlines" } }, false, /something else/],
      [{ body: { ...token, access_token: "ü" } }, false, /something else/],
      [{ body: { ...token, token_type: "mac" } }, false, /something else/],
      [{ body: { ...token, refresh_token: "r\n" } }, false, /something else/],
      [{ body: { ...token, access_token: "x".repeat(limits.secret_chars_max + 1) } }, false, /something/],
      [{ body: "x".repeat(limits.oauth_answer_bytes_max + 1) }, false, /something else/],
    ];
    for (const [answer, isRefusal, why] of cases) {
      const before = fake.refreshes.length;
      const got = await answeredWith(answer);
      if (got.status !== "failed") assert.fail(JSON.stringify([answer, got]));
      assert.equal(got.is_refusal, isRefusal, JSON.stringify(answer));
      assert.match(got.why, why);
      assert.equal(got.http_response.status_code, answer.status ?? 200);
      assert.equal(fake.refreshes.length, before + 1);
    }
  });

  test("that is a failure says for how long the endpoint is to be left alone, if that does", async () => {
    const cases: [status: number, says: string | undefined, ms: number | null][] = [
      [503, "7", 7_000],
      [429, "0", 0],
      [429, "soon", null],
      [503, undefined, null],
      [503, new Date(Date.now() - 60_000).toUTCString(), 0],
    ];
    for (const [status, says, ms] of cases) {
      const got = await answeredWith({ status, headers: says === undefined ? {} : { "retry-after": says } });
      if (got.status !== "failed") assert.fail(JSON.stringify(got));
      assert.equal(got.retry_after_ms, ms, says);
    }
  });

  test("that does not come is that, and says no more than why", async () => {
    const cut = await answeredWith({ end: "cut" });
    if (cut.status !== "connect_error") assert.fail();
    assert.match(cut.why, /^127\.0\.0\.1:\d+ cannot be reached( \([A-Z_]+\))?$/);
    assert.equal(cut.was_refused, false);
    const gone = await askTokenEndpoint(guard, request({ token_endpoint: "http://127.0.0.1:1081/token" }));
    if (gone.status !== "connect_error") assert.fail();
    assert.equal(gone.why, "127.0.0.1:1081 cannot be reached (ECONNREFUSED)");
  });

  test("is not asked for where the guard is against it, also behind a redirect", async () => {
    for (const host of ["127.0.0.2", "169.254.169.254", "[::1]", "metadata.internal"]) {
      const strict = createGuard({
        allow_private_hosts: ["127.0.0.1"],
        resolve: async () => ["169.254.169.254"],
      });
      const answer = await askTokenEndpoint(strict, request({ token_endpoint: `http://${host}:8080/token` }));
      if (answer.status !== "connect_error") assert.fail();
      assert.equal(answer.was_refused, true, host);
      assert.match(answer.why, /is not a public address/);
      await strict.close();
    }
    const before = fake.refreshes.length;
    const location = `${fake.token_endpoint}?again`;
    const moved = await answeredWith({ status: 307, headers: { location } });
    assert.equal(moved.status, "failed");
    assert.equal(fake.refreshes.length, before + 1);
  });
});

test("no secret of the request, and no token that came, is in what is said of a failure", async () => {
  const secrets = {
    refresh_token: 'refresh/with"odd + chars%20&<more>',
    client_secret: "client:secret/with+odd=chars",
    client_id: "the client",
  };
  const { refresh_token, client_secret } = secrets;
  const given = "a-token-that-was-given-nonetheless";
  const encoded = new URLSearchParams({ refresh_token, client_secret }).toString();
  const basic = Buffer.from(`the+client:${new URLSearchParams({ "": client_secret }).toString().slice(1)}`);
  const spelled = [
    ...[refresh_token, client_secret],
    ...[encoded, encodeURIComponent(refresh_token), encodeURIComponent(client_secret)],
    ...[basic.toString("base64"), Buffer.from(refresh_token).toString("base64url")],
    ...[JSON.stringify(refresh_token), JSON.stringify(client_secret).replaceAll("/", "\\/")],
    "the-access-token",
  ];
  for (const method of ["client_secret_basic", "client_secret_post"] as const) {
    for (const status of [200, 400, 500]) {
      const body = { error: refresh_token, detail: spelled, access_token: given, refresh_token: given };
      const headers = { "content-type": `text/${refresh_token}` };
      const answer = await answeredWith({ status, body, headers }, { ...secrets, method });
      if (answer.status !== "failed") assert.fail();
      const said = JSON.stringify(answer);
      for (const secret of [...spelled, given, JSON.stringify(refresh_token).slice(1, -1)])
        assert.ok(!said.includes(secret) && !answer.http_response.body.includes(secret), secret);
      assert.ok(answer.http_response.body.includes('"detail"'));
    }
  }
});

test("a token that came in an answer nobody understands is not shown", async () => {
  const given = "xoxp-given/to=nobody";
  const nested = { ok: true, users: [{ authed: { access_token: given, refreshToken: given } }] };
  const bodies: (string | object)[] = [
    nested,
    `${JSON.stringify(nested).slice(0, -2)}`,
    JSON.stringify(nested)
      .replaceAll("/", "\\/")
      .padEnd(limits.oauth_answer_bytes_max + 1),
    new URLSearchParams({ scope: "a", access_token: given, token_type: "bearer" }).toString(),
    `<answer><access_token>${given}</access_token></answer>`,
    `access_token: '${given}'`,
  ];
  for (const body of bodies) {
    const answer = await answeredWith({ body });
    if (answer.status !== "failed") assert.fail(JSON.stringify(body));
    assert.ok(answer.http_response.body.length > 0);
    for (const part of ["xoxp-", "nobody"])
      assert.ok(!answer.http_response.body.includes(part), answer.http_response.body);
  }
});

test("an answer may begin with the mark of its byte order", async () => {
  const answer = await answeredWith({
    body: `\ufeff${JSON.stringify({ access_token: "new-access-token" })}`,
  });
  assert.equal(answer.status, "succeeded");
});
