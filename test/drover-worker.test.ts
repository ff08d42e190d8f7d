import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { killed } from "./harness/sdk-workers.ts";
import { eventually, newHostedSession, type SelfHosted, selfHosted } from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, message, type StreamEvent, saidIn, send } from "./harness/session.ts";
import { newSkill } from "./harness/skills.ts";

const api = await startTestServer({ work_lease_ms: 3_000 });
const dataDir = mkdtempSync(join(tmpdir(), "drover-worker-"));
chmodSync(dataDir, 0o711);
const children: ChildProcess[] = [];
after(async () => {
  await Promise.all(children.map(killed));
  await api.close();
  rmSync(dataDir, { recursive: true, force: true });
});
const problem = await bubblewrap({ data_dir: api.hands.folder }).check();
const skip = problem === null ? false : `no sandbox on this machine: ${problem}`;

const main = join(import.meta.dirname, "../src/main.ts");

function spawned(environment: Record<string, string>, ...args: string[]): ChildProcess {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const own = { DROVER_DATA_DIR: dataDir, DROVER_BASE_URL: api.url };
  const env = { PATH, HOME, NODE_COMPILE_CACHE, ...own, ...environment };
  const child = spawn(process.execPath, [main, "worker", "--socket", api.hands.socket, ...args], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  return child;
}

/** `drover worker` with the sandboxes of the test server's host, once it is about to poll. */
const worker = async (own: SelfHosted, ...args: string[]): Promise<ChildProcess> =>
  (await listened(own, ...args)).child;

/** The same, and each line that it says. */
async function listened({ environmentId, key }: SelfHosted, ...args: string[]) {
  // The SDK would send such headers, which are for another server.
  const elsewhere = "authorization: Bearer of-another";
  const environment = { DROVER_ENVIRONMENT_KEY: key, ANTHROPIC_CUSTOM_HEADERS: elsewhere };
  const child = spawned(environment, "--environment", environmentId, "--idle", "1", ...args);
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    if (!child.stderr) throw new Error("no stderr");
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      if (line.includes('"msg":"ready"')) resolve();
    });
    child.once("exit", () => reject(new Error(said.join("\n"))));
  });
  return { child, said };
}

const endsTurn = (event: StreamEvent) => isIdle(event) && event.stop_reason.type === "end_turn";

async function told(own: SelfHosted, ...lines: string[]) {
  const { id } = await newHostedSession(own);
  const stream = await follow(own.client, id);
  await send(own.client, id, message(lines.join("\n")));
  return { id, stream };
}

describe("drover worker", { skip }, () => {
  test("runs calls in sandboxes, where its key is nowhere, and ends when it is told to", async () => {
    const own = await selfHosted(api);
    const { child, said: lines } = await listened(own, "--name", "w");
    const { id, stream } = await told(
      own,
      'call write {"file_path":"/workspace/a.txt","content":"one\\n"}',
      "then",
      'call edit {"file_path":"/workspace/a.txt","old_string":"one","new_string":"two"}',
      "then",
      'call read {"file_path":"/workspace/a.txt"}',
      'call glob {"pattern":"*.txt"}',
      'call grep {"pattern":"two"}',
      'call read {"file_path":"/workspace/missing"}',
      `bash pwd; id -u; env; cat /proc/*/environ /proc/*/cmdline; ls -A ${dataDir}; true`,
      "then",
      "echo",
    );
    const events = await stream.until(endsTurn);
    const results = events.filter(isOf("user.tool_result"));
    assert.equal(results.length, 7);
    assert.deepEqual(
      results.map(({ is_error }) => is_error),
      [false, false, false, false, false, true, false],
    );
    const said = JSON.stringify(results);
    assert.match(said, /two/);
    assert.match(said, /a\.txt/);
    assert.match(JSON.stringify(results.at(-1)), /"\/workspace\\n/);
    assert.ok(!said.includes(own.key) && !said.includes("drover-work-") && !said.includes("DROVER_"));
    assert.match(JSON.stringify(results[0]), /"worker_id":"w-\d"/);
    assert.equal(readFileSync(api.workspace(id).path("a.txt"), "utf8"), "two\n");
    child.kill("SIGTERM");
    await once(child, "exit");
    assert.equal(child.exitCode, 0);
    assert.ok(
      lines.some((line) => line.includes("claimed work")),
      "what it does is said",
    );
    assert.ok(!lines.some((line) => line.includes("succeeded with status")), "and not each request");
  });

  test("brings the skills of a session into its sandbox", async () => {
    const own = await selfHosted(api);
    const child = await worker(own);
    const script = '#!/bin/sh\ncat "$(dirname "$0")/../greeting"\n';
    const skill = await newSkill(own.client, "carried", {
      "scripts/run.sh": script,
      greeting: "carried here\n",
    });
    const { id } = await newHostedSession(own, skill);
    const stream = await follow(own.client, id);
    const runs = "bash /mnt/skills/carried/scripts/run.sh; rm /mnt/skills/carried/greeting";
    await send(own.client, id, message([runs, "then", "echo"].join("\n")));
    assert.match(saidIn(await stream.until(endsTurn)), /carried here\s+.*(Read-only|denied)/s);
    await killed(child);
  });

  test("keeps the workspace while the session lives, and removes it when it is archived", async () => {
    const own = await selfHosted(api);
    const child = await worker(own);
    const { id, stream } = await told(own, "bash echo kept > here", "then", "say made");
    await stream.until(endsTurn);
    await eventually(
      async () => own.client.beta.environments.work.stats(own.environmentId),
      ({ depth, pending }) => depth + pending === 0,
    );
    const later = await follow(own.client, id);
    await send(own.client, id, message("bash cat here\nthen\necho"));
    assert.match(saidIn(await later.until(endsTurn)), /kept/);
    const path = api.workspace(id).path("here");
    assert.ok(existsSync(path));
    await own.client.beta.sessions.archive(id);
    await eventually(
      async () => existsSync(path),
      (there) => !there,
    );
    // What ended while no worker was there is removed by the next one.
    const other = await told(own, "bash echo left > behind", "then", "say made");
    await other.stream.until(endsTurn);
    await killed(child);
    const behind = api.workspace(other.id).path("behind");
    assert.ok(existsSync(behind));
    await own.client.beta.sessions.delete(other.id);
    const next = await worker(own);
    await eventually(
      async () => existsSync(behind),
      (there) => !there,
    );
    await killed(next);
  });

  test("that is killed in the middle of a call leaves it to the model, and the next one goes on", async () => {
    const own = await selfHosted(api);
    const first = await worker(own, "--name", "first");
    const { id, stream } = await told(
      own,
      "bash echo ran >> ran; sleep 2",
      "then",
      "bash cat ran",
      "then",
      "echo",
    );
    const ran = api.workspace(id).path("ran");
    await eventually(async () => existsSync(ran), Boolean);
    await killed(first);
    const second = await worker(own, "--name", "second");
    const events = await stream.until(endsTurn);
    const results = events.filter(isOf("user.tool_result"));
    assert.match(JSON.stringify(results[0]), /outcome_unknown.*the worker first-\d was not heard of/);
    assert.match(JSON.stringify(results[1]), /"worker_id":"second-\d"/);
    assert.equal(readFileSync(ran, "utf8"), "ran\n");
    await killed(second);
  });
});

test("drover worker says in a line what it lacks", async () => {
  const own = await selfHosted(api);
  const said = async (environment: Record<string, string>, ...args: string[]) => {
    const child = spawned(environment, "--environment", own.environmentId, ...args);
    const [words] = await Promise.all([text(child.stderr ?? process.stdin), once(child, "close")]);
    assert.equal(child.exitCode, 1);
    return words;
  };
  assert.match(await said({}), /^drover worker: DROVER_ENVIRONMENT_KEY is not set/);
  const wrong = { DROVER_ENVIRONMENT_KEY: "drover-env-wrong" };
  assert.match(await said(wrong, "--socket", "/nowhere"), /no drover hands answers at \/nowhere/);
  assert.match(await said(wrong), /^drover worker: the server at http:\S+ refuses the environment key$/m);
});
