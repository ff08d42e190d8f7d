import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { ModelsFile } from "../src/config/models.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import { jsonReply } from "./fakes/wire.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { isOf, listed, message, newSession, prepare, turn } from "./harness/session.ts";

const poison = "sk-poisoned-0123456789";
const logged: string[] = [];
/** Repeats all that it was sent, as some gateways do when they refuse something. */
let echo: FakeUpstream<unknown>;
let api: TestServer;
let providers: NonNullable<ModelsFile["providers"]>;

/** Instead: says the key where a stream should have JSON. */
let babbles = false;

before(async () => {
  echo = await startFakeUpstream(({ headers }) => {
    if (babbles)
      return {
        headers: { "content-type": "text/event-stream" },
        chunks: [`event: message_start\ndata: {"key":${poison}}\n\n`],
      };
    const message = `These are no good: ${JSON.stringify(headers)}`;
    return jsonReply(401, { error: { type: "authentication_error", message }, message });
  });
  const common = { base_url: echo.url, api_key: poison };
  providers = {
    anthropic: { type: "anthropic", ...common },
    openai: { type: "openai", ...common },
    google: { type: "google", ...common },
    mistral: { type: "mistral", ...common },
    gateway: { type: "openai-compatible", ...common },
    bedrock: { type: "bedrock", region: "eu-west-1", ...common },
    vertex: { type: "vertex", region: "eu", project: "p", ...common },
    foundry: { type: "foundry", resource: "r", ...common },
  };
  api = await startTestServer({ models: { providers }, log: (line) => logged.push(line) });
});
after(async () => {
  await api.close();
  await echo.close();
});

describe("a key that a provider repeats in its error", () => {
  for (const name of [
    "anthropic",
    "openai",
    "google",
    "mistral",
    "gateway",
    "bedrock",
    "vertex",
    "foundry",
  ]) {
    test(`is not in the events of a session on ${name}, nor in its log`, async () => {
      const { id } = await newSession(api.client, await prepare(api.client, `${name}/claude-opus-5-5`));
      const streamed = await turn(api.client, id, "go");
      const [error] = streamed.filter(isOf("session.error"));
      assert.match(error?.error.message ?? "", /These are no good: .*\[the key\]/);
      const entries = await api.db.query({ name: "test_all", text: "select body from event" }, []);
      const seen = JSON.stringify([streamed, await listed(api.client, id), entries, logged]);
      assert.ok(!seen.includes(poison));
    });
  }

  for (const name of ["anthropic", "openai", "google", "mistral", "gateway"]) {
    test(`is not in what is said of a stream on ${name} that makes no sense, nor a piece of it`, async () => {
      const { beta } = api.client;
      const { id } = await newSession(api.client, await prepare(api.client, `${name}/claude-opus-5-5`));
      babbles = true;
      await beta.sessions.events.send(id, { events: [message("go")] });
      const failed = (event: { type: string }) => event.type === "session.error";
      let events = await listed(api.client, id);
      while (!events.some(failed)) events = await listed(api.client, id);
      babbles = false;
      assert.match(JSON.stringify(events.find(failed)), /it is not valid JSON/);
      assert.ok(!JSON.stringify([events, logged]).includes(poison.slice(0, 6)));
      await beta.sessions.events.send(id, { events: [{ type: "user.interrupt" }] });
    });
  }

  for (const [command, ...args] of [
    ["models"],
    ["models", "--json"],
    ["doctor"],
    ["doctor", "--json"],
  ] as const) {
    test(`is not in what drover ${[command, ...args].join(" ")} prints`, async () => {
      const { stdout, stderr } = await drover({ models: { providers } }, command, ...args);
      assert.match(stdout, command === "models" ? /gateway/ : /model/);
      assert.ok(!`${stdout}${stderr}`.includes(poison));
    });
  }

  for (const [setting, provider] of [
    ["api_key", { type: "openai", api_key: `${poison}\nand more` }],
    ["api_key", { type: "openai", api_key: [poison] }],
    ["base_url", { type: "openai", base_url: `https://user:${poison}@example.com/v1` }],
    ["base_url", { type: "openai", base_url: `https://example.com/v1?key=${poison}` }],
  ] as const) {
    test(`a ${setting} that cannot be used is not repeated: ${JSON.stringify(provider)}`, async () => {
      const { code, stdout, stderr } = await drover({ models: { providers: { work: provider } } }, "models");
      assert.deepEqual([code, stdout], [2, ""]);
      assert.ok(stderr.includes(`models.providers.work.${setting}: must`));
      assert.ok(!stderr.includes(poison));
    });
  }
});

const main = join(import.meta.dirname, "../src/main.ts");

/** A command with this configuration file. JSON is YAML too. */
async function drover(file: object, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "drover-keys-"));
  try {
    const path = join(folder, "drover.yaml");
    writeFileSync(path, JSON.stringify(file));
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const settings = { DROVER_CONFIG: path, DROVER_DATA_DIR: join(folder, "data") };
    const env = { PATH, NODE_COMPILE_CACHE, ...settings };
    const ended = promisify(execFile)(process.execPath, [main, ...args], { env });
    return await ended.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        code,
        stdout,
        stderr,
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
