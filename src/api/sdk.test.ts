import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import Anthropic, {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
} from "@anthropic-ai/sdk";
import {
  BetaEnvironmentArchivedError,
  BetaInvalidConfigTypeChangeError,
} from "@anthropic-ai/sdk/resources/beta/environments";
import { type ServerType, serve } from "@hono/node-server";
import { type TestApi, testApi, testKey } from "./testing.ts";

let api: TestApi;
let server: ServerType;
let client: Anthropic;
let requests: Request[] = [];

before(async () => {
  api = await testApi();
  server = serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, env) => {
      requests.push(request);
      return api.app.fetch(request, env);
    },
  });
  await once(server, "listening");
  client = clientWith({ apiKey: testKey });
});
after(async () => {
  server.close();
  if ("closeAllConnections" in server) server.closeAllConnections();
  await api.close();
});

const clientWith = (options: { apiKey: string; defaultHeaders?: Record<string, string | null> }) =>
  new Anthropic({
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    authToken: null,
    ...options,
  });

async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test("an agent's life through the official SDK", async () => {
  const agent = await client.beta.agents.create({
    name: "coder",
    model: { id: "claude-opus-5-5", effort: "low" },
    tools: [{ type: "agent_toolset_20260401" }],
  });
  assert.equal(agent.version, 1);
  assert.deepEqual(agent.model.effort, { type: "low" });
  const updated = await client.beta.agents.update(agent.id, { version: 1, system: "Be brief." });
  assert.equal(updated.version, 2);
  assert.deepEqual(await client.beta.agents.retrieve(agent.id, { version: 1 }), agent);
  const versions = await client.beta.agents.versions.list(agent.id, { limit: 1 });
  assert.deepEqual(
    (await collected(versions)).map((entry) => entry.version),
    [2, 1],
  );

  const all = await collected(client.beta.agents.list({ limit: 1, "created_at[gte]": agent.created_at }));
  assert.deepEqual(
    all.map((entry) => entry.id),
    [agent.id],
  );
  assert.deepEqual((await client.beta.agents.list({ page: null })).data.length, 1);

  const archived = await client.beta.agents.archive(agent.id);
  assert.ok(archived.archived_at);
  await assert.rejects(client.beta.agents.update(agent.id, { name: "x" }), BadRequestError);
});

test("errors arrive as the SDK's classes, and a stale version is not tried again", async () => {
  const agent = await client.beta.agents.create({ name: "a", model: "m" });
  requests = [];
  await assert.rejects(client.beta.agents.update(agent.id, { version: 9 }), ConflictError);
  assert.equal(requests.length, 1);
  await assert.rejects(client.beta.agents.retrieve("agent_01missing"), NotFoundError);
  await assert.rejects(clientWith({ apiKey: "wrong" }).beta.agents.list(), AuthenticationError);
  await assert.rejects(client.beta.agents.create({ name: "", model: "m" }), (error: unknown) => {
    assert.ok(error instanceof BadRequestError);
    assert.match(error.message, /name: minimum string length is 1/);
    assert.match(error.requestID ?? "", /^req_/);
    return true;
  });
});

test("an environment's life through the official SDK", async () => {
  const environment = await client.beta.environments.create({
    name: "e",
    config: { type: "cloud", networking: { type: "limited", allowed_hosts: ["example.com"] } },
  });
  const { id } = environment;
  assert.deepEqual(await client.beta.environments.retrieve(id), environment);
  const renamed = await client.beta.environments.update(id, { name: "f" });
  assert.equal(renamed.name, "f");
  await assert.rejects(
    client.beta.environments.update(id, { config: { type: "self_hosted" } }),
    BetaInvalidConfigTypeChangeError,
  );
  assert.deepEqual(
    (await collected(client.beta.environments.list())).map((entry) => entry.id),
    [id],
  );
  await client.beta.environments.archive(id);
  await assert.rejects(client.beta.environments.update(id, { name: "g" }), BetaEnvironmentArchivedError);
  assert.deepEqual(await client.beta.environments.delete(id), { id, type: "environment_deleted" });
});

test("the headers of both SDK lines are served", async () => {
  requests = [];
  await client.beta.agents.list();
  const older = clientWith({
    apiKey: testKey,
    defaultHeaders: { authorization: null, "x-api-key": testKey, "anthropic-version": "2023-06-01" },
  });
  await older.get("/v1/agents?beta=true", { headers: { "anthropic-beta": "managed-agents-2026-04-01" } });
  const sent = (name: string) => requests.map(({ headers }) => headers.get(name));
  assert.deepEqual(sent("authorization"), [`Bearer ${testKey}`, null]);
  assert.deepEqual(sent("x-api-key"), [null, testKey]);
  assert.deepEqual(sent("anthropic-version"), ["2026-10-21", "2023-06-01"]);
});
