import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { startCommand } from "./harness/command.ts";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";
import { listed, newSession, prepare, turn } from "./harness/session.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
const closings: (() => void)[] = [];
after(async () => {
  for (const close of closings) close();
  drover.close();
  await api.close();
});
const main = join(import.meta.dirname, "../src/main.ts");

/** Something else than Drover, or Drover behind something. */
async function standIn(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  closings.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const at = (url: string) => ["sessions", "ls", "--base-url", url];

test("a server that is down, refuses the key, or is another one is told apart by a line and the exit code", async () => {
  const page = await standIn((_, answer) => {
    answer.setHeader("content-type", "text/html; charset=utf-8").end("<h1>\u001b[2JWelcome</h1>");
  });
  const gateway = await standIn((_, answer) => {
    answer.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>");
  });
  const plain = await standIn((_, answer) => {
    answer.writeHead(418, { "content-type": "text/plain" }).end("\u001b[2Jteapot");
  });
  const told: [string, number, RegExp][] = [
    ["http://127.0.0.1:9", 5, /^No server answers at http:\/\/127\.0\.0\.1:9\. Start one with: npm start\n$/],
    ["http://127.0.0.2:9", 5, /^No server answers at http:\/\/127\.0\.0\.2:9\.\n$/],
    [
      page,
      5,
      /^What answers at \S+ is no Drover server, or not ready: it sends a web page, with status 200\.\n$/,
    ],
    [gateway, 5, /web page, with status 502\.\n$/],
    [plain, 1, /^The server at \S+ answers with status 418, and not as the API does\.\n$/],
  ];
  for (const [url, code, err] of told) {
    const ended = await drover(at(url));
    assert.deepEqual([ended.code, ended.out], [code, ""], ended.err);
    assert.match(ended.err, err);
    assert.doesNotMatch(ended.err, /\u001b/);
  }
  const refused = await drover(["usage"], { env: { DROVER_API_KEY: "not-the-key" } });
  assert.deepEqual([refused.code, refused.out], [4, ""]);
  assert.equal(refused.err, `The server at ${api.url} refuses the API key.\n`);
  const without = await drover(["usage"], { env: { DROVER_API_KEY: "" } });
  assert.deepEqual([without.code, without.out], [2, ""]);
  assert.equal((await drover(["nonsense"])).code, 2);
});

test("a slow server is waited for, and left by Ctrl-C", async () => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const silent = await standIn(() => asked());
  const waits = startCommand(at(silent), drover.env);
  await isAsked;
  waits.child.kill("SIGINT");
  await waits.ended;
  assert.deepEqual([waits.child.signalCode, waits.said()], ["SIGINT", ""]);
});

test("colour is where a terminal is, or is asked for, and never with NO_COLOR", async () => {
  const { agent_id } = await prepare(api.client);
  const list = (env: NodeJS.ProcessEnv) => drover.done(["agents", "ls"], { env });
  assert.doesNotMatch(await list({}), /\u001b/);
  assert.match(await list({ FORCE_COLOR: "1" }), /\u001b\[2mid/);
  assert.doesNotMatch(await list({ FORCE_COLOR: "1", NO_COLOR: "1" }), /\u001b/);
  assert.ok((await list({ FORCE_COLOR: "0" })).includes(agent_id));
});

test("a reader that has seen enough ends a stream of events, too", async () => {
  const { session_id } = await prepared();
  const { stdout, stderr } = await promisify(execFile)(
    "sh",
    [
      "-c",
      '"$0" "$1" sessions tail "$2" --until-idle --json | head -n 1',
      process.execPath,
      main,
      session_id,
    ],
    { env: drover.env },
  );
  assert.equal(stdout.split("\n").length, 2);
  assert.equal(stderr, "");
});

test("what a command does is done once, though the answer is lost", async () => {
  const { agent_id, environment_id } = await prepare(api.client);
  const lost = new Set<string>();
  const losing = await standIn((asked, answer) => {
    const { method = "", url = "", headers } = asked;
    const upstream = request(new URL(url, api.url), { method, headers }, (got) => {
      const path = url.replace(/\w+_\w+/, "ID");
      if (method === "POST" && !lost.has(path)) {
        lost.add(path);
        got.resume().on("end", () => answer.destroy());
      } else got.pipe(answer.writeHead(got.statusCode ?? 0, got.headers));
    });
    upstream.on("error", () => answer.destroy());
    answer.on("close", () => upstream.destroy());
    asked.pipe(upstream);
  });
  const { client } = api;
  const env = { DROVER_BASE_URL: losing };
  const { code, out, err } = await drover(
    ["run", "say one", "--agent", agent_id, "--environment", environment_id],
    {
      env,
    },
  );
  assert.equal(code, 0, err);
  assert.deepEqual(
    [...lost].map((path) => path.replace(/\?.*/, "")),
    ["/v1/sessions", "/v1/sessions/ID/events"],
  );
  const id = /sesn_\w+/.exec(out)?.[0] ?? "";
  assert.deepEqual((await drover.json(["sessions", "ls", "--agent", agent_id, "--json"])).length, 1);
  assert.equal((await listed(client, id)).filter(({ type }) => type === "user.message").length, 1);

  const asking = await prepare(client, "simulated", "always_ask");
  const waits = await newSession(client, asking);
  await turn(client, waits.id, "bash true");
  const [call = ""] = (await drover.json(["sessions", "show", waits.id, "--json"])).waiting_for.event_ids;
  lost.clear();
  await drover.done(["sessions", "allow", waits.id, call], { env });
  assert.equal((await drover(["sessions", "tail", waits.id, "--until-idle"])).code, 0);
  const fork = (await drover.done(["sessions", "fork", waits.id], { env })).trim();
  const sessions = await drover.json(["sessions", "ls", "--agent", asking.agent_id, "--json"]);
  assert.deepEqual(
    sessions.map((session: { id: string }) => session.id).toSorted(),
    [fork, waits.id].toSorted(),
  );
  assert.equal(lost.size, 2);
});

test("an address with a password is refused before anything is asked, and not shown", async () => {
  const told: [string[], NodeJS.ProcessEnv][] = [
    [["sessions", "ls", "--base-url", "http://user:sekret@127.0.0.1:9"], {}],
    [["sessions", "ls", "--base-url", "htp://user:sekret@127.0.0.1:9"], {}],
    [["sessions", "ls"], { DROVER_BASE_URL: "http://user:sekret@127.0.0.1:9" }],
    [["sessions", "ls"], { DROVER_BASE_URL: "user:sekret@127.0.0.1:9" }],
    [["profiles", "set", "work", "--base-url", "http://sekret@127.0.0.1:9"], {}],
    [["worker", "--environment", "env_1", "--base-url", "http://:sekret@127.0.0.1:9"], {}],
  ];
  for (const [args, env] of told) {
    const { code, out, err } = await drover(args, { env, input: "key" });
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, /^(the address|DROVER_BASE_URL:) must [^\n]+\n$/);
    assert.doesNotMatch(err, /sekret/);
  }
});

test("a command whose reader has gone ends, and one that cannot print has failed", async () => {
  const shell = async (line: string) => {
    const args = ["--norc", "-c", `${line}; echo "\${PIPESTATUS[0]}" >&2`, process.execPath, main];
    return (await promisify(execFile)("bash", args, { env: drover.env })).stderr;
  };
  for (const args of [
    "--help",
    "sessions --help",
    "completion bash",
    "profiles ls --json",
    "agents ls --json",
  ]) {
    assert.equal(await shell(`"$0" "$1" ${args} | true`), "0\n", args);
    assert.match(
      await shell(`"$0" "$1" ${args} > /dev/full`),
      /^what was to be printed cannot be written: ENOSPC[^\n]*\n1\n$/,
      args,
    );
  }
});

test("headers that the environment has for another server are not sent", async () => {
  const heard: Record<string, unknown>[] = [];
  const other = await standIn((request, answer) => {
    heard.push(request.headers);
    answer.writeHead(200, { "content-type": "application/json" }).end('{"data":[],"next_page":null}');
  });
  const secret = "x-gateway-key: of-another\nauthorization: Bearer of-another";
  await drover.done(at(other), { env: { ANTHROPIC_CUSTOM_HEADERS: secret } });
  assert.doesNotMatch(JSON.stringify(heard), /of-another/);
  assert.equal(heard.length, 1);
});

async function prepared(): Promise<{ session_id: string }> {
  const { agent_id } = await prepare(api.client);
  const ended = await drover([
    "run",
    "say one",
    "--agent",
    agent_id,
    "--title",
    "\u001b]0;owned\u0007日本\u202e",
  ]);
  assert.equal(ended.code, 0, ended.err);
  const session_id = /sesn_\w+/.exec(ended.out)?.[0] ?? "";
  assert.match(await drover.done(["sessions", "show", session_id]), /title +␛\]0;owned␇日本<U\+202E>\n/);
  return { session_id };
}
