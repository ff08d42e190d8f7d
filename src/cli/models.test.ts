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
  const known = request.headers.authorization === "Bearer right";
  response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify({ data: [{ id: "a" }, { id: "b" }] }));
});
let url = "";
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  writeFileSync(
    path,
    `models:
  providers:
    local: { type: openai-compatible, base_url: "${url}", api_key_env: LOCAL_KEY }
    wrong: { type: mistral, base_url: "${url}", api_key: secret-but-wrong }
    away: { type: openai-compatible, base_url: "http://127.0.0.1:9/v1" }
  aliases: { default: local/a }
  fallbacks: { local/a: [away/b, simulated] }
`,
  );
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const run = async (...args: string[]) => {
  const env = { PATH: process.env.PATH, DROVER_CONFIG: path, LOCAL_KEY: "right" };
  return (await promisify(execFile)(process.execPath, [main, "models", ...args], { env })).stdout;
};

test("who can be reached is listed, and what is missing", async () => {
  const { providers, aliases, fallbacks } = JSON.parse(await run("--json"));
  const found = new Map<string, Record<string, unknown>>(
    providers.map((provider: { name: string }) => [provider.name, provider]),
  );
  const about = (name: string, ...fields: string[]) => fields.map((field) => found.get(name)?.[field]);
  assert.deepEqual(about("local", "state", "models", "base_url"), ["reachable", 2, url]);
  assert.deepEqual(about("wrong", "state", "reason"), ["unreachable", "it answers 401"]);
  assert.deepEqual(about("away", "state"), ["unreachable"]);
  assert.deepEqual(about("openai", "state", "setting"), ["missing", "DROVER_OPENAI_API_KEY"]);
  assert.deepEqual([aliases, fallbacks], [{ default: "local/a" }, { "local/a": ["away/b", "simulated"] }]);
});

test("for people it is a list, without a secret", async () => {
  const text = await run();
  assert.match(text, /ok {4}local {6}openai-compatible at http:.*, 2 models/);
  assert.match(text, /none {2}mistral {4}mistral at .*: DROVER_MISTRAL_API_KEY is not set/);
  assert.match(text, /default is local\/a\n/);
  assert.match(text, /local\/a falls back to away\/b, then simulated\n/);
  assert.doesNotMatch(text, /secret|right/);
});
