import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { type FakeAnthropic, startFakeAnthropic, textReply } from "../../../test/fakes/anthropic.ts";
import { anthropicModel } from "../anthropic.ts";
import { answerOf, requestOf, userSays } from "../model.spec.ts";

const api_key = "key-of-the-provider";
const modelId = "claude-opus-5-5";
const go = requestOf(modelId, [userSays("go")]);

let fake: FakeAnthropic;
before(async () => {
  fake = await startFakeAnthropic();
});
after(() => fake.close());

const model = () => anthropicModel({ api_key, base_url: fake.url });

test("the upstream gets the configured key at the configured address, whatever the SDK finds in its environment", async (t) => {
  const trap = await startFakeAnthropic(() => textReply("trapped"));
  const folder = await mkdtemp(join(tmpdir(), "drover-sdk-"));
  await writeProfile(folder, trap.url);
  const environment = await sdkEnvironment({
    ANTHROPIC_BASE_URL: trap.url,
    ANTHROPIC_CONFIG_DIR: folder,
    ANTHROPIC_LOG: "debug",
    ANTHROPIC_PROFILE: "default",
    ANTHROPIC_CUSTOM_HEADERS: [
      "authorization: Bearer poison",
      "x-api-key: poison",
      "anthropic-beta: poison",
      "anthropic-version: poison",
      "x-poison: poison",
    ].join("\n"),
  });
  const saved = { ...process.env };
  const printed = (["log", "debug", "info", "warn", "error"] as const).map((method) =>
    t.mock.method(console, method, () => {}),
  );
  try {
    Object.assign(process.env, environment);
    fake.reply(textReply("hi"));
    const { ending } = await answerOf(model(), go);
    assert.equal(ending.type, "finished");
    assert.equal(trap.requests.length, 0);
    const { method, path, headers } = fake.requests.at(-1) ?? assert.fail();
    assert.deepEqual([method, path], ["POST", "/v1/messages"]);
    assert.equal(headers.authorization, `Bearer ${api_key}`);
    assert.doesNotMatch(JSON.stringify(headers), /poison/);
    assert.ok(printed.every((mock) => mock.mock.callCount() === 0));

    // A client that leaves anything to the environment does walk into the trap.
    await new Anthropic({ maxRetries: 0 }).messages.create({ model: modelId, max_tokens: 1, messages: [] });
    assert.equal(trap.requests[0]?.headers["x-poison"], "poison");
    assert.ok(printed.some((mock) => mock.mock.callCount() > 0));
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    Object.assign(process.env, saved);
    await trap.close();
    await rm(folder, { recursive: true });
  }
});

test("it is asked in the version of the API that the SDK has types for", async () => {
  fake.reply(textReply("hi"), textReply("hi"));
  const theirs = new Anthropic({ apiKey: api_key, baseURL: fake.url, maxRetries: 0 });
  await theirs.messages.create({ model: modelId, max_tokens: 1, messages: [], stream: true });
  const expected = fake.requests.at(-1)?.headers["anthropic-version"];
  await answerOf(model(), go);
  assert.equal(fake.requests.at(-1)?.headers["anthropic-version"], expected);
});

test("the beta of the fast mode is sent only when it is asked for", async () => {
  fake.reply(textReply("hi"), textReply("hi"));
  await answerOf(model(), go);
  assert.equal(fake.requests.at(-1)?.headers["anthropic-beta"], undefined);
  await answerOf(model(), { ...go, speed: "fast" });
  assert.equal(fake.requests.at(-1)?.headers["anthropic-beta"], "fast-mode-2026-02-01");
  assert.equal(fake.requests.at(-1)?.body.speed, "fast");
});

/** A value for every variable that the SDK's own source reads. */
async function sdkEnvironment(values: Record<string, string>): Promise<Record<string, string>> {
  const root = join(import.meta.dirname, "../../../node_modules/@anthropic-ai/sdk");
  const files = (await readdir(root, { recursive: true })).filter((file) => file.endsWith(".mjs"));
  const sources = await Promise.all(files.map((file) => readFile(join(root, file), "utf8")));
  const names = sources.flatMap((source) =>
    [...source.matchAll(/(?:readEnv\(|process\.env\[)['"](ANTHROPIC_\w+)['"]/g)].map(
      (match) => match[1] ?? "",
    ),
  );
  assert.ok(names.includes("ANTHROPIC_CUSTOM_HEADERS"));
  return { ...Object.fromEntries(names.map((name) => [name, "poison"])), ...values };
}

async function writeProfile(folder: string, base_url: string): Promise<void> {
  await mkdir(join(folder, "configs"));
  await mkdir(join(folder, "credentials"));
  const credentials_path = join(folder, "credentials", "default.json");
  await writeFile(credentials_path, JSON.stringify({ access_token: "poison" }), { mode: 0o600 });
  const authentication = { type: "user_oauth", credentials_path };
  await writeFile(join(folder, "configs", "default.json"), JSON.stringify({ base_url, authentication }));
}
