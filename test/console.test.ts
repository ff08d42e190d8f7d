import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { addressOf, createSignInAttempts } from "../src/api/console/attempts.ts";
import { limits } from "../src/limits.ts";
import { beta, startTestServer, type TestServer, testKey } from "./harness/server.ts";
import { newSession, prepare } from "./harness/session.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-console-"));
const outside = mkdtempSync(join(tmpdir(), "drover-outside-"));
mkdirSync(join(folder, "assets"));
const script = "console.log(1);\n".repeat(50);
writeFileSync(join(folder, "index.html"), "<!doctype html><title>built</title>");
writeFileSync(join(folder, "assets/index-B3x9_aQz.js"), script);
writeFileSync(join(folder, "assets/index-B3x9_aQz.js.gz"), gzipSync(script));
writeFileSync(join(folder, "assets/index-B3x9_aQz.js.br"), "as br");
writeFileSync(join(folder, "favicon.svg"), "<svg/>");
writeFileSync(join(folder, ".hidden"), "secret");
writeFileSync(join(outside, "secret.txt"), "secret");
symlinkSync(join(outside, "secret.txt"), join(folder, "link.txt"));
symlinkSync(join(outside, "secret.txt"), join(folder, "favicon.svg.br"));

let api: TestServer;
let second: TestServer;
before(async () => {
  api = await startTestServer({ console_files: { folder } });
  second = await startTestServer({ beside: api });
});
after(async () => {
  await second.close();
  await api.close();
  for (const one of [folder, outside]) rmSync(one, { recursive: true });
});

/** As it is sent: `fetch` would make other paths of some, and hides some headers. */
function raw(
  path: string,
  options: { method?: string; headers?: Record<string, string>; to?: TestServer } = {},
) {
  const { method = "GET", headers = {}, to = api } = options;
  const { port } = new URL(to.url);
  return new Promise<{
    status: number;
    headers: Record<string, string | string[] | undefined>;
    text: string;
  }>((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asked.on("error", reject);
    asked.end();
  });
}

const own = { "sec-fetch-site": "same-origin", "x-drover-console": "1" };

async function signIn(headers: Record<string, string> = {}): Promise<{ cookie: string; set: string }> {
  const answer = await raw("/console/session", {
    method: "POST",
    headers: { "x-api-key": testKey, ...headers },
  });
  assert.equal(answer.status, 200, answer.text);
  const [set = ""] = answer.headers["set-cookie"] ?? [];
  return { cookie: set.split(";")[0] ?? "", set };
}

describe("a browser", () => {
  test("signs in with a key, works on every server with the cookie, and signs out", async () => {
    const { cookie, set } = await signIn();
    assert.match(
      set,
      /^drover_console_\d+=drover-console-\S{40,}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
    );
    assert.ok(!set.includes(testKey));
    const headers = { cookie, ...own, "anthropic-beta": beta };
    for (const to of [api, second]) {
      assert.equal((await raw("/v1/sessions", { headers, to })).status, 200);
      assert.equal((await raw("/v1/pending_actions", { headers, to })).status, 200);
    }
    assert.equal(
      (await raw("/v1/sessions", { headers: { cookie, ...own } })).status,
      404,
      "it needs the beta header too",
    );
    const facts = await prepare(api.client);
    const { id } = await newSession(api.client, facts);
    const archived = await raw(`/v1/sessions/${id}/archive`, { method: "POST", headers, to: second });
    assert.equal(archived.status, 200);
    const stream = await fetch(`${api.url}/v1/sessions/${id}/events/stream`, {
      headers: { cookie, "anthropic-beta": beta, accept: "text/event-stream" },
    });
    assert.match(stream.headers.get("content-type") ?? "", /event-stream/);
    await stream.body?.cancel();
    const out = await raw("/console/session", { method: "DELETE", headers });
    assert.match(String(out.headers["set-cookie"]), /^drover_console_\d+=; .*Max-Age=0/);
    for (const to of [api, second]) assert.equal((await raw("/v1/sessions", { headers, to })).status, 401);
  });

  test("keeps nothing that it was answered, nor takes it for something else", async () => {
    const { cookie } = await signIn();
    const usage = "/v1/usage?starting_at=2026-01-01T00:00:00Z";
    const paths = [
      "/v1/pending_actions",
      "/v1/pending_actions?x=1",
      "/v1/none",
      usage,
      `${usage}&format=csv`,
    ];
    for (const path of paths) {
      const { headers } = await raw(path, { headers: { cookie, ...own } });
      assert.deepEqual(
        [headers["cache-control"], headers["x-content-type-options"]],
        ["no-store", "nosniff"],
        path,
      );
    }
  });

  test("is signed in to several servers of one host name, and out of one of them", async () => {
    const other = await startTestServer();
    try {
      // As a browser keeps them: by their names, whatever port they are of.
      const jar = new Map<string, string>();
      const browse = async (to: TestServer, method: string, path: string, headers = {}) => {
        const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
        const answer = await raw(path, {
          to,
          method,
          headers: { ...own, origin: to.url, ...(cookie && { cookie }), ...headers },
        });
        for (const set of answer.headers["set-cookie"] ?? []) {
          const [name = "", value = ""] = (set.split(";")[0] ?? "").split("=");
          if (/Max-Age=0/.test(set)) jar.delete(name);
          else jar.set(name, value);
        }
        return answer.status;
      };
      const signsIn = (to: TestServer) => browse(to, "POST", "/console/session", { "x-api-key": testKey });
      const asks = (to: TestServer) => browse(to, "GET", "/v1/pending_actions");
      for (const to of [api, other]) assert.equal(await signsIn(to), 200);
      for (const to of [api, other, second]) assert.equal(await asks(to), 200);
      // Signed in at two servers of one database it is signed out of both.
      assert.equal(await signsIn(second), 200);
      assert.equal(await browse(second, "DELETE", "/console/session"), 200);
      for (const to of [api, second]) assert.equal(await asks(to), 401);
      assert.equal(await asks(other), 200);
      assert.equal(await signsIn(api), 200);
      for (const to of [api, other, second]) assert.equal(await asks(to), 200);
    } finally {
      await other.close();
    }
  });

  test("has a cookie that is named by the port that it sees, as which nothing else can pass", async () => {
    const nameWith = async (headers: Record<string, string>) => (await signIn(headers)).set.split("=")[0];
    const { port } = new URL(api.url);
    assert.equal(await nameWith({}), `drover_console_${port}`);
    for (const [origin, name] of [
      ["https://drover.test", "drover_console"],
      ["https://drover.test:8443", "drover_console_8443"],
      ["null", `drover_console_${port}`],
      ["https://drover.test:1;x=y", `drover_console_${port}`],
    ] as const)
      assert.equal(await nameWith({ origin }), name, origin);
    assert.equal(await nameWith({ host: "a b:8;c" }).catch(() => "refused"), "refused");
    const { cookie } = await signIn();
    const token = cookie.slice(cookie.indexOf("=") + 1);
    for (const [name, status] of [
      ["drover_console", 200],
      ["drover_console_1", 200],
      ["drover_console_x", 401],
      ["drover_console_123456", 401],
      ["xdrover_console", 401],
    ] as const)
      assert.equal(
        (await raw("/v1/pending_actions", { headers: { cookie: `${name}=${token}` } })).status,
        status,
        name,
      );
    // However many there are, only some are looked for.
    const many = Array.from({ length: limits.console_tokens_max }, (_, n) => `drover_console_${n}=x${n}`);
    const asked = (cookies: string[]) =>
      raw("/v1/pending_actions", { headers: { cookie: cookies.join("; ") } }).then(({ status }) => status);
    assert.equal(await asked([...many, cookie]), 200);
    assert.equal(await asked([cookie, ...many]), 401);
  });

  test("has a cookie that is sent by https alone, where it came by that", async () => {
    assert.match((await signIn({ "x-forwarded-proto": "https" })).set, /; Secure$/);
    assert.match((await signIn({ origin: "https://drover.test" })).set, /; Secure$/);
  });

  test("is not made to do anything by a page of somebody else", async () => {
    const { cookie } = await signIn();
    const { host } = new URL(api.url);
    const post = (headers: Record<string, string>) =>
      raw("/v1/agents", {
        method: "POST",
        headers: { cookie, "anthropic-beta": beta, "content-type": "application/json", ...headers },
      });
    const refused: Record<string, string>[] = [
      {},
      { "x-drover-console": "1" },
      { "sec-fetch-site": "same-origin" },
      { origin: `http://${host}` },
      { "sec-fetch-site": "same-site", "x-drover-console": "1", origin: `http://${host}` },
      { "sec-fetch-site": "cross-site", "x-drover-console": "1" },
      { "x-drover-console": "1", origin: "http://evil.test" },
      { "x-drover-console": "1", origin: "null" },
    ];
    for (const headers of refused) assert.equal((await post(headers)).status, 403, JSON.stringify(headers));
    for (const headers of [own, { "x-drover-console": "1", origin: `http://${host}` }])
      assert.equal((await post(headers)).status, 400, "an empty body is what is wrong with it");
    for (const site of ["same-site", "cross-site"])
      assert.equal(
        (await raw("/v1/pending_actions", { headers: { cookie, "sec-fetch-site": site } })).status,
        403,
      );
    // Of the same origin, but not to be run there: what an agent has made can have the type of a script.
    for (const use of ["script", "style", "worker", "serviceworker", "iframe", "object", "embed"]) {
      const headers = { cookie, "sec-fetch-site": "same-origin", "sec-fetch-dest": use };
      assert.equal((await raw("/v1/pending_actions", { headers })).status, 403, use);
    }
    for (const use of ["empty", "document", "image"]) {
      const headers = { cookie, "sec-fetch-site": "same-origin", "sec-fetch-dest": use };
      assert.equal((await raw("/v1/pending_actions", { headers })).status, 200, use);
    }
    const left = await raw("/console/session", {
      method: "DELETE",
      headers: { cookie, "sec-fetch-site": "same-site" },
    });
    assert.equal(left.status, 403);
    // A key says itself who asks.
    const keyed = await raw("/v1/pending_actions", {
      headers: { cookie, "x-api-key": testKey, "sec-fetch-site": "cross-site" },
    });
    assert.equal(keyed.status, 200);
  });

  test("sees no more of a stream when it has signed out, on whichever server", {
    timeout: 60_000,
  }, async () => {
    const facts = await prepare(api.client);
    const { id } = await newSession(api.client, facts);
    const path = `/v1/sessions/${id}/events/stream`;
    const { cookie } = await signIn();
    const headers = { cookie, ...own, "anthropic-beta": beta };
    const streams = await Promise.all(
      [api, second].map(({ url }) => fetch(`${url}${path}`, { headers: { cookie, "anthropic-beta": beta } })),
    );
    const kept = await fetch(`${api.url}${path}`, {
      headers: { cookie, "x-api-key": testKey, "anthropic-beta": beta },
    });
    assert.equal((await raw("/console/session", { method: "DELETE", headers })).status, 200);
    for (const stream of streams) await assert.rejects(stream.text());
    // What a key has opened goes on, whatever the browser sends beside it.
    await api.client.beta.sessions.archive(id);
    assert.match(await kept.text(), /session.status_terminated/);
  });

  test("is signed out when its time is over, and when its key is removed", async () => {
    const changes = [
      "used_at = used_at - interval '12 hours 1 minute'",
      "created_at = created_at - interval '7 days 1 minute'",
      "key_id = 'removed'",
      "workspace_id = 'wrkspc_other'",
    ];
    for (const [i, change] of changes.entries()) {
      const { cookie } = await signIn();
      assert.equal((await raw("/v1/pending_actions", { headers: { cookie } })).status, 200);
      await api.db.query({ name: `test_over_${i}`, text: `update console_session set ${change}` }, []);
      assert.equal((await raw("/v1/pending_actions", { headers: { cookie } })).status, 401, change);
    }
    // What is over goes with the next one.
    await signIn();
    const rows = await api.db.query<{ n: number }>(
      {
        name: "test_over",
        text: "select count(*) as n from console_session where used_at < now() - interval '12 hours' or created_at < now() - interval '7 days'",
      },
      [],
    );
    assert.equal(rows[0]?.n, 0);
  });

  test("leaves nothing in the database that signs anybody in", async () => {
    const { cookie } = await signIn();
    const token = cookie.slice(cookie.indexOf("=") + 1);
    const rows = await api.db.query({ name: "test_kept", text: "select c::text from console_session c" }, []);
    assert.ok(!JSON.stringify(rows).includes(token) && !JSON.stringify(rows).includes(testKey));
    // Nor is the token a key, or a cookie enough to sign in.
    assert.equal((await raw("/v1/pending_actions", { headers: { "x-api-key": token } })).status, 401);
    assert.equal(
      (await raw("/console/session", { method: "POST", headers: { cookie, ...own } })).status,
      401,
    );
    for (const bad of [
      "drover_console=",
      "drover_console=x",
      `drover_console=${testKey}`,
      "drover_console=drover-console-x",
    ])
      assert.equal((await raw("/v1/pending_actions", { headers: { cookie: bad } })).status, 401);
  });

  test("waits when its sign-ins fail too often, and who is signed in does not", async () => {
    const { cookie } = await signIn();
    const wrong = () =>
      raw("/console/session", {
        method: "POST",
        headers: { "x-api-key": "a-wrong-key-of-nobody" },
        to: second,
      });
    for (let i = 0; i < limits.console_failures_max; i += 1) assert.equal((await wrong()).status, 401);
    const full = await wrong();
    assert.equal(full.status, 429);
    assert.ok(Number(full.headers["retry-after"]) > 0);
    assert.equal((await raw("/v1/pending_actions", { headers: { cookie }, to: second })).status, 200);
    assert.equal(
      (await raw("/v1/pending_actions", { headers: { "x-api-key": testKey }, to: second })).status,
      200,
    );
  });
});

test("failed sign-ins are counted for each address and for all, forgotten in time, and take bounded room", () => {
  let now = 0;
  const attempts = createSignInAttempts(() => now);
  for (let i = 0; i < limits.console_failures_max; i += 1) {
    attempts.mayTry("a");
    attempts.failed("a");
  }
  assert.throws(() => attempts.mayTry("a"), /too many/);
  attempts.mayTry("b");
  now += limits.console_failures_ms;
  attempts.mayTry("a");
  for (let i = 0; i < limits.console_failures_all_max; i += 1) attempts.failed(`n${i}`);
  assert.throws(() => attempts.mayTry("never seen"), /too many/);
});

test("of IPv6 the addresses of one network are one, however they are written", () => {
  const same = [
    ["2001:db8::1", "2001:db8::2", "2001:db8::1:2:3:4", "2001:db8:0:0:ffff::"],
    ["2001:db8:1:2::", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1%eth0"],
    ["::1", "::2"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
  ];
  const known = same.map((addresses) => new Set(addresses.map(addressOf)));
  assert.deepEqual(
    known.map(({ size }) => size),
    [1, 1, 1, 1],
  );
  assert.equal(new Set(known.flatMap((one) => [...one])).size, 4);
  assert.notEqual(addressOf("2001:db8:0:1::1"), addressOf("2001:db8::1"));
});

describe("the console's files", () => {
  const html = { accept: "text/html,*/*" };

  test("are there under their paths, and its page under all others", async () => {
    assert.equal((await raw("/", { headers: html })).headers.location, "/console/");
    assert.equal((await raw("/console", { headers: html })).headers.location, "/console/");
    assert.equal((await raw("/")).status, 404);
    for (const path of [
      "/console/",
      "/console/index.html",
      "/console/sessions/sesn_1",
      "/console/a/b/c?x=1",
    ]) {
      const { status, text, headers } = await raw(path);
      assert.deepEqual([status, text.includes("built")], [200, true], path);
      assert.equal(headers["cache-control"], "no-cache");
      assert.match(String(headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["referrer-policy"], "no-referrer");
    }
    const asset = await raw("/console/assets/index-B3x9_aQz.js");
    assert.deepEqual([asset.status, asset.text], [200, script]);
    assert.equal(asset.headers["cache-control"], "public, max-age=31536000, immutable");
    assert.match(String(asset.headers["content-type"]), /javascript/);
    assert.equal((await raw("/console/favicon.svg")).headers["content-type"], "image/svg+xml");
    const head = await raw("/console/favicon.svg", { method: "HEAD" });
    assert.deepEqual([head.status, head.text], [200, ""]);
    for (const known of [head.headers.etag, `"other", ${head.headers.etag}`]) {
      const again = await raw("/console/favicon.svg", { headers: { "if-none-match": String(known) } });
      assert.equal(again.status, 304);
    }
  });

  test("come compressed to who takes that", async () => {
    const path = "/console/assets/index-B3x9_aQz.js";
    const of = async (accept: string) =>
      (await raw(path, { headers: { "accept-encoding": accept } })).headers;
    assert.equal((await of("gzip, deflate, br"))["content-encoding"], "br");
    assert.equal((await of("gzip"))["content-encoding"], "gzip");
    assert.equal((await of("br;q=0, gzip"))["content-encoding"], "gzip");
    assert.equal((await of("identity"))["content-encoding"], undefined);
    assert.equal((await of("gzip")).vary, "accept-encoding");
  });

  test("are no others than those in the folder", async () => {
    const paths = [
      "/console/../../etc/passwd",
      "/console/..%2f..%2fetc%2fpasswd",
      "/console/%2e%2e/%2e%2e/etc/passwd",
      "/console/assets/..%5c..%5csecret.txt",
      "/console//etc/passwd",
      "/console/link.txt",
      "/console/.hidden",
      "/console/assets",
      "/console/assets/",
      "/console/a%00.js",
      "/console/%ff.js",
      "/console/missing.js",
    ];
    for (const path of paths) {
      const { text, status } = await raw(path, { headers: html });
      assert.ok(!/root:|secret/.test(text), path);
      assert.ok(status === 404 || text.includes("built"), `${path}: ${status}`);
    }
    const compressed = await raw("/console/favicon.svg", { headers: { "accept-encoding": "br" } });
    assert.deepEqual([compressed.text, compressed.headers["content-encoding"]], ["<svg/>", undefined]);
    assert.equal((await raw("/console/missing.js")).status, 404);
    assert.equal((await raw("/console/session")).status, 405);
    assert.equal((await raw("/console/", { method: "POST" })).status, 404);
  });

  test("where they are not built, a page says how they are, or that they soon will be", async () => {
    const files = { folder: join(folder, "none"), build_state: join(outside, "state") };
    const bare = await startTestServer({ beside: api, console_files: files });
    const ask = async (path = "/console/sessions") => {
      const answer = await raw(path, { headers: html, to: bare });
      assert.equal(answer.status, 503);
      assert.equal(answer.headers["cache-control"], "no-store");
      assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
      return answer;
    };
    assert.match((await ask()).text, /npm run console/);
    writeFileSync(files.build_state, "building\n");
    const soon = await ask();
    assert.match(soon.text, /is being built.*/);
    assert.match(soon.text, /<meta http-equiv="refresh" content="2">/);
    assert.equal(soon.headers["retry-after"], "2");
    // Of one that was killed long ago nothing is to be waited for.
    utimesSync(files.build_state, 0, 0);
    assert.match((await ask()).text, /npm run console/);
    writeFileSync(files.build_state, "failed\n");
    const { text, headers } = await ask();
    assert.match(text, /could not be built: .*npm run console/s);
    assert.doesNotMatch(text, /http-equiv/);
    assert.equal(headers["retry-after"], undefined);
    // It needs no other server to be there from now on.
    mkdirSync(files.folder);
    writeFileSync(join(files.folder, "index.html"), "<!doctype html><title>built</title>");
    assert.equal((await raw("/console/sessions", { headers: html, to: bare })).status, 200);
    await bare.close();
  });
});
