import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { AuthenticationError } from "@anthropic-ai/sdk";
import { testKey } from "./harness/headers.ts";
import { sdkWorker } from "./harness/sdk-workers.ts";
import { selfHosted } from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { newSession, turn } from "./harness/session.ts";

const api = await startTestServer();
after(() => api.close());

const main = join(import.meta.dirname, "../src/main.ts");

async function drover(...args: string[]) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, NODE_COMPILE_CACHE, DROVER_BASE_URL: api.url, DROVER_API_KEY: testKey };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, out, err };
}

test("keys of an environment are made, listed and revoked by the command line", async () => {
  const own = await selfHosted(api);
  const made = await drover("envs", "keys", "create", own.environmentId, "--name", "\u001b[31mred");
  assert.equal(made.code, 0, made.err);
  const key = made.out.trim();
  const worker = own.as(key);
  assert.equal(await worker.beta.environments.work.poll(own.environmentId), null);
  const listed = await drover("environments", "keys", "list", own.environmentId);
  const [, newest = "", older = ""] = listed.out.split("\n");
  assert.match(newest, /^envkey_\w+ {2}␛\[31mred {2}\S.* {2}(now|\d+s ago)$/);
  assert.match(older, new RegExp(`^${own.keyId} +test .*never$`));
  assert.ok(!listed.out.includes(key));
  const [id = ""] = newest.split(" ");
  assert.equal((await drover("envs", "keys", "revoke", own.environmentId, id)).out, `${id} is revoked\n`);
  await assert.rejects(worker.beta.environments.work.poll(own.environmentId), AuthenticationError);
  assert.ok(!(await drover("envs", "keys", "list", own.environmentId)).out.includes(id));
});

test("a task in a self-hosted environment is watched to its end", async () => {
  const own = await selfHosted(api);
  const workdir = mkdtempSync(join(tmpdir(), "drover-run-"));
  const serving = sdkWorker(
    { client: own.client, environmentId: own.environmentId, environmentKey: own.key },
    { workdir },
  );
  const task = "bash echo from the worker\nbash true\nthen\nbash false\nthen\nsay over";
  const { code, out, err } = await drover(
    "run",
    task,
    "--environment",
    own.environmentId,
    "--agent",
    own.agentId,
  );
  await serving.stop();
  rmSync(workdir, { recursive: true });
  assert.equal(code, 0, err);
  assert.match(out, /waiting for a worker/);
  assert.match(out, /result \d+\.\d\d s from the worker/);
  assert.equal(out.match(/turn running/g)?.length, 1);
  assert.match(out, /└─ idle end_turn\n$/);
});

test("a session that waits for a worker is not taken for one that waits for its user", async () => {
  const own = await selfHosted(api);
  const session = await newSession(api.client, { agent_id: own.agentId, environment_id: own.environmentId });
  await turn(api.client, session.id, "bash echo late\nthen\nsay over");
  const tails = ["0", "1"].map((n) => drover("sessions", "tail", session.id, "--until-idle", "-n", n));
  const workdir = mkdtempSync(join(tmpdir(), "drover-tail-"));
  const serving = sdkWorker(
    { client: own.client, environmentId: own.environmentId, environmentKey: own.key },
    { workdir },
  );
  for (const { code, err } of await Promise.all(tails)) assert.equal(code, 0, err);
  await serving.stop();
  rmSync(workdir, { recursive: true });
});

test("what the server refuses is said in a line", async () => {
  const cloud = await api.client.beta.environments.create({ name: "cloud" });
  const refused = await drover("envs", "keys", "create", cloud.id);
  assert.deepEqual(
    [refused.code, refused.out, refused.err],
    [1, "", `environment ${cloud.id} is not self_hosted: only such ones have workers, and keys for them\n`],
  );
});
