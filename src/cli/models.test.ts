import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const main = join(import.meta.dirname, "../main.ts");
const folder = mkdtempSync(join(tmpdir(), "drover-models-"));
const path = join(folder, "drover.yaml");

const server = createServer((request, response) => {
  if (request.url?.startsWith("/page")) return response.end("<h1>Welcome</h1>");
  if (request.url?.startsWith("/moved")) return response.writeHead(302, { location: "/v1/models" }).end();
  if (request.url?.startsWith("/broken")) return response.writeHead(500).end();
  const known = request.headers.authorization === "Bearer right";
  if (request.url?.startsWith("/nowhere")) return response.writeHead(404).end();
  response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
  return response.end(JSON.stringify({ data: [{ id: "a" }, { id: "b" }] }));
});
let url = "";
/** Where nobody listens any more. */
let closed = "";
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  url = `${origin}/v1`;
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  closed = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  gone.close();
  await once(gone, "close");
  writeFileSync(
    path,
    `models:
  providers:
    local: { type: openai-compatible, base_url: "${url}", api_key_env: LOCAL_KEY }
    wrong: { type: mistral, base_url: "${url}", api_key: secret-but-wrong }
    away: { type: openai-compatible, base_url: "${closed}" }
    page: { type: openai-compatible, base_url: "${origin}/page" }
    moved: { type: google, base_url: "${origin}/moved", api_key: k }
    lost: { type: anthropic, base_url: "${origin}/nowhere", api_key: k }
    broken: { type: anthropic, base_url: "${origin}/broken", api_key: k }
    cloud: { type: foundry, resource: r, base_url: "${origin}", api_key: k }
    cloud-away: { type: foundry, resource: r, base_url: "${closed}", api_key: k }
  aliases: { default: local/a }
  fallbacks: { local/a: [away/b, simulated] }
`,
  );
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

async function run(configured: boolean, ...args: string[]): Promise<{ code: number; stdout: string }> {
  const file = configured ? { DROVER_CONFIG: path, LOCAL_KEY: "right" } : {};
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, NODE_COMPILE_CACHE, ...file };
  const ended = promisify(execFile)(process.execPath, [main, "models", ...args], { env });
  return ended.then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );
}

test("who can be reached is listed, and what is missing", async () => {
  const { code, stdout } = await run(true, "--json");
  const { providers, aliases, fallbacks } = JSON.parse(stdout);
  const found = new Map<string, Record<string, unknown>>(
    providers.map((provider: { name: string }) => [provider.name, provider]),
  );
  const about = (name: string, ...fields: string[]) => fields.map((field) => found.get(name)?.[field]);
  assert.deepEqual(about("local", "state", "models", "base_url"), ["reachable", 2, url]);
  assert.deepEqual(about("cloud", "state", "models"), ["reachable", null]);
  assert.deepEqual(about("openai", "state", "setting"), ["missing", "DROVER_OPENAI_API_KEY"]);
  for (const [name, reason] of [
    ["wrong", "it refuses the key (401). Check models.providers.wrong.api_key."],
    ["away", /ECONNREFUSED/],
    ["cloud-away", /ECONNREFUSED/],
    ["page", /no list of models.*models\.providers\.page\.base_url/],
    ["moved", /sends requests on to another place \(302\).*models\.providers\.moved\.base_url/],
    ["lost", /no such address \(404\).*models\.providers\.lost\.base_url/],
    ["broken", "it answers 500"],
  ] as const) {
    const [state, told] = about(name, "state", "reason");
    assert.equal(state, "unreachable", name);
    if (typeof reason === "string") assert.equal(told, reason);
    else assert.match(String(told), reason);
  }
  assert.deepEqual([aliases, fallbacks], [{ default: "local/a" }, { "local/a": ["away/b", "simulated"] }]);
  assert.equal(code, 1);
});

test("for people it is a list, without a secret", async () => {
  const { stdout } = await run(true);
  assert.match(stdout, /ok {4}local {7}openai-compatible at http:.*, 2 models\n/);
  assert.match(stdout, /ok {4}cloud {7}foundry at http:\S+\n/);
  assert.match(stdout, /none {2}mistral {5}mistral at .*: DROVER_MISTRAL_API_KEY is not set\n/);
  assert.match(stdout, /warn {2}cloud-away {2}foundry at .*ECONNREFUSED/);
  assert.match(stdout, /default is local\/a\n/);
  assert.match(stdout, /local\/a falls back to away\/b, then simulated\n/);
  assert.ok(!/secret|right|\u001b/.test(stdout));
});

test("nothing is wrong where nothing is configured", async () => {
  assert.equal((await run(false)).code, 0);
});
