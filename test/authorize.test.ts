import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestOptions, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, beforeEach, test } from "node:test";
import { type Authorization, authorize } from "../src/authorize/authorize.ts";
import type { OwnClient } from "../src/authorize/client.ts";
import type { ClientProof } from "../src/authorize/client-credentials.ts";
import { NotAuthorized } from "../src/authorize/failed.ts";
import { listenForRedirect } from "../src/authorize/redirect.ts";
import { type Answer, type FakeOAuth, startFakeOAuth } from "./fakes/oauth.ts";

const never = new AbortController().signal;
let fake: FakeOAuth;
beforeEach(async () => {
  fake = await startFakeOAuth();
});
afterEach(() => fake.close());

/** A person who agrees to everything, in a browser that follows redirects. */
async function run(own: OwnClient = { type: "new" }, more: Partial<Authorization> = {}) {
  const redirect = await listenForRedirect(0);
  try {
    return await authorize({
      server: new URL(fake.mcp_url),
      consent: {
        type: "person",
        client: own,
        redirect_url: redirect.url,
        async ask(page, state) {
          const [brought] = await Promise.all([redirect.comes(state, never), fetch(page)]);
          return brought;
        },
      },
      issuer: null,
      scope: null,
      scope_before: null,
      version: "0",
      signal: never,
      ...more,
    });
  } finally {
    await redirect.close();
  }
}

const refused = (why: RegExp, own?: OwnClient, more?: Partial<Authorization>) =>
  assert.rejects(run(own, more), (error: Error) => {
    assert.ok(error instanceof NotAuthorized, error.stack);
    assert.match(error.message, why);
    assert.doesNotMatch(error.message, /of-the-fake|hush|\u001b/);
    return true;
  });

test("what is asked for: what the person wants, what the server wants, all that it knows", async () => {
  const asked = () => fake.authorization.pages.at(-1)?.get("scope");
  await run();
  assert.equal(asked(), null);
  fake.authorization.settings.resource = { scopes_supported: ["a", "b"] };
  await run();
  assert.equal(asked(), "a b");
  fake.settings.challenge = 'Bearer error="invalid_token", scope="a"';
  await run();
  assert.equal(asked(), "a");
  const granted = await run({ type: "new" }, { scope: "c", scope_before: "b c" });
  assert.equal(asked(), "b c");
  assert.equal(granted.scope, "b c");
  fake.authorization.settings.metadata = { scopes_supported: ["offline_access"] };
  await run();
  assert.equal(asked(), "a offline_access");
  assert.equal(fake.authorization.pages.at(-1)?.get("prompt"), "consent");
});

test("a server that asks nobody is authorized where a scope is named", async () => {
  fake.settings.onCall = ({ headers, rpc }) =>
    headers.authorization === undefined && rpc.method === "initialize"
      ? { body: { jsonrpc: "2.0", id: rpc.id, result: hello } }
      : null;
  // It only asks when its tools are listed.
  assert.equal((await run()).refresh?.client_id, "client-1");
  fake.settings.onCall = ({ method, rpc }) =>
    method === "POST" ? { body: { jsonrpc: "2.0", id: rpc.id, result: { ...hello, tools: [] } } } : null;
  await refused(/nothing to authorize/);
  assert.equal((await run({ type: "new" }, { scope: "more" })).scope, "more");
});

const hello = {
  protocolVersion: "2025-06-18",
  capabilities: { tools: {} },
  serverInfo: { name: "x", version: "1" },
};

test("a client is known by its document where that is taken, and a new one elsewhere", async () => {
  const own = { type: "document", url: "https://client.example/drover.json" } as const;
  assert.equal((await run(own)).refresh?.client_id, "client-1");
  fake.authorization.settings.metadata = { client_id_metadata_document_supported: true };
  assert.equal((await run(own)).refresh?.client_id, own.url);
});

test("a new client gets the secret that it has to have", async () => {
  fake.authorization.settings.metadata = { token_endpoint_auth_methods_supported: ["client_secret_post"] };
  fake.authorization.settings.onRegister = (metadata) => ({
    status: 201,
    body: { ...metadata, client_id: "c", client_secret: "hush-hush-hush" },
  });
  const { refresh } = await run();
  assert.equal(refresh?.method, "client_secret_post");
  assert.equal(refresh.client_secret, "hush-hush-hush");
  assert.equal(fake.authorization.tokens[0]?.form.get("client_secret"), "hush-hush-hush");
});

test("a client that is not taken is told why", async () => {
  const answers: [Answer, RegExp][] = [
    [{ status: 400, body: { error: "invalid_redirect_uri" } }, /HTTP 400, invalid_redirect_uri/],
    [{ status: 403, body: "<html>\u001b[2J" }, /HTTP 403\)/],
    [{ status: 201, body: { hush: 1 } }, /its answer cannot be read/],
  ];
  for (const [answer, why] of answers) {
    fake.authorization.settings.onRegister = () => answer;
    await refused(why);
  }
});

test("an answer that comes from another authorization server is not used", async () => {
  fake.authorization.settings.sendTo = (callback) => {
    callback.searchParams.set("iss", "https://evil.example");
    return callback;
  };
  await refused(/the answer does not come from http:\S+: it was not used/);
  fake.authorization.settings.denies = true;
  await refused(/the answer does not come from/);
  fake.authorization.settings.metadata = { authorization_response_iss_parameter_supported: true };
  fake.authorization.settings.sendTo = (callback) => callback;
  await refused(/the answer does not come from/);
  assert.equal(fake.authorization.tokens.length, 0);
});

test("a code that is refused, or answered with what is no token, is the end", async () => {
  const description = "code-0-of-the-fake is \u001b[2Jold";
  const answers: Answer[] = [
    { status: 400, body: { error: "invalid_grant", error_description: description } },
    { status: 500, body: "access_token=access-9-of-the-fake" },
    { status: 200, body: "access_token=access-9-of-the-fake" },
    { status: 200, body: { access_token: "access-9-of-the-fake" } },
    { status: 200, body: { access_token: "access-9-of-the-fake", token_type: "mac" } },
    { end: "cut" },
  ];
  for (const answer of answers) {
    fake.authorization.settings.onToken = () => answer;
    await refused(/gives (no token|tokens of a kind)/);
  }
});

test("how long a token lasts is not believed beyond what is thinkable", async () => {
  for (const [expires_in, s] of [[1e300], [1e12], [-1], [0], [null], ["60", 60], [1.5, 1.5]] as const) {
    const access_token = "access-9-of-the-fake";
    fake.authorization.settings.onToken = () => ({
      body: { access_token, token_type: "bearer", expires_in },
    });
    fake.access_token = access_token;
    assert.equal((await run()).expires_in_s, s ?? null, String(expires_in));
  }
});

test("a token that the server does not take is no use", async () => {
  const challenge = 'Bearer error="insufficient_scope", scope="admin"';
  fake.settings.onCall = ({ headers }) =>
    headers.authorization ? { status: 403, headers: { "www-authenticate": challenge } } : null;
  await refused(/refuses the token that it was given \(403\): it wants one with the scope "admin"/);
});

test("a server that is another one than it says, or none, is not authorized", async () => {
  const { settings } = fake.authorization;
  settings.resource = { resource: "https://evil.example/mcp" };
  await refused(/who authorizes for 127\.0\.0\.1:\d+ cannot be found out: .*evil\.example/);
  settings.resource = {};
  settings.metadata = { authorization_endpoint: "http://evil.example/authorize" };
  await refused(/http:\/\/evil\.example\/authorize\S* is not an https URL/);
  settings.metadata = { authorization_endpoint: "file:///etc/passwd" };
  await refused(/file:\/\/\/etc\/passwd\S* is not an https URL/);
  settings.metadata = { authorization_endpoint: "https://good.example@evil.example/authorize" };
  await refused(/at evil\.example holds a user name/);
  settings.metadata = { token_endpoint: "http://evil.example/token" };
  await refused(/gives its tokens over http/);
  settings.metadata = { issuer: "https://evil.example" };
  await refused(/calls itself https:\/\/evil\.example/);
  settings.metadata = {
    authorization_endpoint: new URL("/authorize?", fake.mcp_url).href + "x".repeat(20_000),
  };
  await refused(/too long to be opened/);
  settings.metadata = { scopes_supported: [] };
  settings.resource = { scopes_supported: Array.from({ length: 5_000 }, (_, n) => `scope-${n}`) };
  await refused(/too long to be opened/);
  settings.metadata = { issuer: "https://evil.example" };
  for (const name of [`/${"x".repeat(300)}`, "/$(evil)", "/`evil`", "/;evil", "/\u001b[31m", "/a b"]) {
    settings.resource = { authorization_servers: [`${new URL(fake.mcp_url).origin}${name}`] };
    await refused(/a name that no address of the web has/);
  }
  settings.resource = {};
  settings.metadata = { token_endpoint: 7 };
  await refused(/says of itself cannot be read/);
  settings.metadata = { authorization_endpoint: "javascript:alert(1)" };
  await refused(/says of itself cannot be read/);
  fake.settings.onCall = () => ({ status: 200, body: "hello" });
  await refused(/does not answer as an MCP server does/);
  const elsewhere = (url: string) => ({ server: new URL(url) });
  await refused(/does not answer as an MCP server does/, undefined, elsewhere("https://127.0.0.1:1/mcp"));
  await refused(/is not an https URL/, undefined, elsewhere("ftp://127.0.0.1/mcp"));
});

test("a server elsewhere has nothing sent to the programs of this machine", async () => {
  const inside = createServer((asked, answer) => {
    heard.push(`${asked.method} ${asked.url}`);
    answer.end("{}");
  }).listen(0, "127.0.0.1");
  after(() => inside.close());
  await once(inside, "listening");
  const heard: string[] = [];
  const at = `http://127.0.0.1:${(inside.address() as AddressInfo).port}`;
  // The fake too, by a name that is not of loopback.
  const server = new URL(fake.mcp_url);
  server.hostname = "0.0.0.0";
  const { origin } = server;
  const endpoints = { authorization_endpoint: `${origin}/authorize`, token_endpoint: `${origin}/token` };
  fake.settings.challenge = `Bearer resource_metadata="${at}/metadata"`;
  fake.authorization.settings.metadata = {
    issuer: origin,
    ...endpoints,
    registration_endpoint: `${at}/admin`,
  };
  await refused(/127\.0\.0\.1:\d+\/admin is not an https URL/, undefined, { server });
  fake.settings.challenge = "Bearer";
  fake.authorization.settings.metadata = { issuer: origin, ...endpoints, token_endpoint: `${at}/token` };
  fake.authorization.settings.resource = { resource: server.href, authorization_servers: [at] };
  await refused(/127\.0\.0\.1:\d+\/\S+ is not an https URL/, undefined, { server });
  fake.authorization.settings.resource = { resource: server.href, authorization_servers: [origin] };
  const known = { type: "known", client_id: "me", client_secret: null } as const;
  await refused(/127\.0\.0\.1:\d+\/token is not an https URL/, known, { server });
  assert.deepEqual(heard, []);
});

test("what leads elsewhere is not followed", async () => {
  const elsewhere = await startFakeOAuth();
  after(() => elsewhere.close());
  const to = (path: string, status = 307) => ({
    status,
    headers: { location: new URL(path, elsewhere.mcp_url).href },
  });
  fake.authorization.settings.onToken = () => to("/token");
  await refused(/gives no token/);
  fake.authorization.settings.onRegister = () => to("/register", 308);
  await refused(/does not take a new client/);
  fake.settings.onCall = () => to("/mcp");
  await refused(/does not answer as an MCP server does/);
  const { registrations, tokens } = elsewhere.authorization;
  assert.deepEqual([elsewhere.calls, registrations, tokens], [[], [], []]);
});

test("a server of the protocol's first days authorizes at its own origin, under any name of it", async () => {
  fake.authorization.settings.resource = null;
  fake.authorization.settings.metadata = { issuer: `${new URL(fake.mcp_url).origin}/oauth` };
  const { issuer, refresh } = await run();
  assert.equal(issuer, `${new URL(fake.mcp_url).origin}/oauth`);
  assert.equal(refresh?.resource, null);
});

test("an authorization server that names itself anew when it is asked again is not trusted with a secret", async () => {
  const { settings } = fake.authorization;
  const [own, good] = [new URL(fake.mcp_url).origin, "https://good.example"];
  const known = { type: "known", client_id: "me", client_secret: "hush-hush-hush" } as const;
  let asked = 0;
  settings.resource = null;
  settings.metadata = {
    get issuer() {
      asked += 1;
      return asked === 1 ? `${own}/oauth` : good;
    },
  };
  await refused(/calls itself http:\S+\/oauth, and was found as/, known, { issuer: good });
  assert.equal(asked, 2);
  settings.metadata = { issuer: `${own}/oauth` };
  settings.resource = {
    get authorization_servers() {
      asked += 1;
      return asked % 2 === 1 ? [`${own}/`] : [`${own}/another`];
    },
  };
  asked = 0;
  await refused(/calls itself http:\S+\/oauth, and was found as/, known, { issuer: good });
  assert.deepEqual([fake.authorization.pages, fake.authorization.tokens], [[], []]);
});

test("only what has the state is an answer, and only once", async () => {
  const redirect = await listenForRedirect(0);
  after(() => redirect.close());
  const comes = redirect.comes("the-state", never);
  const status = async (query: string) => (await fetch(`${redirect.url}?${query}`)).status;
  for (const query of ["code=a", "code=a&state=", "code=a&state=another", "state=the-state"])
    assert.equal(await status(query), 400, query);
  assert.equal(await status("code=a&state=the-state"), 200);
  assert.equal((await comes).get("code"), "a");
  assert.equal(await status("code=b&state=the-state"), 410);
});

test("what is not asked as a browser does is no answer", async () => {
  const other = await listenForRedirect(0);
  const stop = new AbortController();
  const comes = other.comes("the-state", stop.signal);
  const status = async (query: string, init?: RequestInit) =>
    (await fetch(`${other.url}?${query}`, init)).status;
  assert.equal(await status("code=a&code=b&state=the-state"), 400);
  assert.equal(await status("code=a&error=b&state=the-state"), 400);
  assert.equal(await status("code=a&state=the-state&state=the-state"), 400);
  assert.equal(await status("code=a&state=the-state", { method: "POST" }), 404);
  assert.equal((await fetch(new URL("/", other.url))).status, 404);
  const { port } = new URL(other.url);
  const answers = { path: "/callback?code=a&state=the-state", headers: { host: `127.0.0.1:${port}` } };
  const asked = (as: RequestOptions) =>
    new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, ...answers, ...as }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
  assert.equal(await asked({ headers: { host: "evil.example" } }), 421);
  assert.equal(await asked({ method: "HEAD" }), 404);
  for (const path of ["//", "///callback", "http://[", "*", "/%"])
    assert.equal(await asked({ path }), 404, path);
  const shown = await (await fetch(`${other.url}?code=%3Cscript%3E&state=%3Cscript%3E`)).text();
  assert.ok(!shown.includes("script"));
  stop.abort();
  await assert.rejects(comes);
  await other.close();
  await assert.rejects(fetch(other.url));
});

test("a browser, which leaves out port 80, is heard at it", async (t) => {
  const redirect = await listenForRedirect(80).catch(() => null);
  if (!redirect) return t.skip("this user cannot listen at port 80, or another program does");
  after(() => redirect.close());
  const comes = redirect.comes("the-state", never);
  assert.equal((await fetch(`${redirect.url}?code=a&state=the-state`)).status, 200);
  assert.equal((await comes).get("code"), "a");
});

const alone = (proof: ClientProof, issuer: string | null = null) =>
  run({ type: "new" }, { consent: { type: "client", client_id: "me", proof }, issuer });
const origin = () => new URL(fake.mcp_url).origin;
const basic = `Basic ${btoa("me:hush-hush-hush")}`;

test("a client's secret goes to the authorization server that the person has named, and to no other one", async () => {
  fake.authorization.settings.metadata = {
    token_endpoint_auth_methods_supported: ["client_secret_basic"],
    registration_endpoint: undefined,
  };
  await refused(/lets no client register itself: .*redirect URL http:\/\/127\.0\.0\.1:\d+\/callback/);
  const known = { type: "known", client_id: "me", client_secret: "hush-hush-hush" } as const;
  await refused(new RegExp(`add --issuer ${origin()}`), known);
  const elsewhere = "https://other.example";
  await refused(/and not https:\/\/other\.example: nothing was sent/, known, { issuer: elsewhere });
  await refused(/nothing was sent/, { type: "new" }, { issuer: elsewhere });
  const secret = { type: "secret", secret: "hush-hush-hush" } as const;
  await assert.rejects(alone(secret), /add --issuer/);
  await assert.rejects(alone(secret, elsewhere), /nothing was sent/);
  assert.deepEqual([fake.authorization.pages, fake.authorization.tokens], [[], []]);
  const { refresh } = await run(known, { issuer: `${origin()}/` });
  assert.equal(refresh?.method, "client_secret_basic");
  assert.equal(refresh.client_secret, "hush-hush-hush");
  assert.equal((await alone(secret, origin())).refresh, null);
  assert.deepEqual(
    fake.authorization.tokens.map(({ headers }) => headers.authorization),
    [basic, basic],
  );
});

test("a client's key signs, and is sent to nobody", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const key = { type: "private_key", pem, algorithm: "ES256" } as const;
  await assert.rejects(alone(key, "https://other.example"), /nothing was sent/);
  assert.equal(fake.authorization.tokens.length, 0);
  await alone(key);
  const [asked] = fake.authorization.tokens;
  const [, claims = ""] = asked?.form.get("client_assertion")?.split(".") ?? [];
  const { iss, sub, aud } = JSON.parse(Buffer.from(claims, "base64url").toString());
  assert.deepEqual({ iss, sub, aud }, { iss: "me", sub: "me", aud: origin() });
  assert.equal(asked?.form.get("resource"), fake.mcp_url);
});

test("an identity provider vouches for a person, to the one authorization server that is named", async () => {
  const vouched: ClientProof = {
    type: "vouched",
    secret: "hush-hush-hush",
    id_token: "hush-id-token",
    provider: fake.token_endpoint,
    provider_client_id: "us",
  };
  const kind = "urn:ietf:params:oauth:token-type:id-jag";
  let answers: Answer[] = [
    { body: { access_token: "the-grant", issued_token_type: kind, token_type: "N_A" } },
    { body: { access_token: fake.access_token, token_type: "Bearer" } },
  ];
  fake.authorization.settings.onToken = () => answers.shift() ?? null;
  const granted = await alone(vouched, origin());
  assert.deepEqual([granted.access_token, granted.refresh], [fake.access_token, null]);
  const [first, second] = fake.authorization.tokens.map(({ form }) => Object.fromEntries(form));
  assert.equal(first?.subject_token, "hush-id-token");
  assert.equal(first.audience, origin());
  assert.equal(first.resource, fake.mcp_url);
  assert.equal(second?.assertion, "the-grant");
  const told = (answer: Answer[], why: RegExp) => {
    answers = answer;
    return assert.rejects(alone(vouched, origin()), (error: Error) => {
      assert.match(error.message, why);
      return !/hush|of-the-fake/.test(error.message);
    });
  };
  const no = { status: 400, body: { error: "invalid_grant", error_description: "hush-id-token" } };
  const yes = { body: { access_token: "the-grant", issued_token_type: kind, token_type: "N_A" } };
  await told([no], /does not vouch/);
  await told([yes, no], /gives no token/);
  await assert.rejects(
    alone({ ...vouched, provider: "http://evil.example/token" }, origin()),
    /evil\.example/,
  );
});
