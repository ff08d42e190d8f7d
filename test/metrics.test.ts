import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { damage } from "../src/hands/checkpoints/testing.ts";
import { listenForMetrics } from "../src/metrics/listen.ts";
import { createMetrics } from "../src/metrics/metrics.ts";
import { scraped } from "./harness/metrics.ts";
import { newHostedSession, selfHosted } from "./harness/self-hosted.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, newSession, prepare, turn } from "./harness/session.ts";

describe("metrics", () => {
  let api: TestServer;
  let facts: Facts;
  before(async () => {
    api = await startTestServer({ metrics: true });
    facts = await prepare(api.client);
  });
  after(() => api.close());

  const counted = async (series: string) => (await scraped(api.server.metrics_url)).get(series);
  const calls = (tool: string, outcome: string) =>
    counted(`drover_tool_calls_total{tool="${tool}",outcome="${outcome}"}`);

  async function becomes(series: string, value: number): Promise<void> {
    while ((await counted(series)) !== value) await pause(20);
  }

  test("are at an address of their own, for whoever can reach it, and at no other", async () => {
    const { metrics_url } = api.server;
    assert.ok(metrics_url);
    assert.equal((await fetch(metrics_url, { method: "HEAD" })).status, 200);
    assert.equal((await fetch(metrics_url, { method: "POST" })).status, 405);
    assert.equal((await fetch(new URL("/v1/sessions", metrics_url))).status, 404);
    assert.equal((await fetch(new URL("/metrics", api.url))).status, 404);
    const { hostname, port } = new URL(metrics_url);
    await assert.rejects(
      listenForMetrics(createMetrics({ tools: [], hosts: [] }), { host: hostname, port: Number(port) }),
      /^Error: DROVER_METRICS: cannot listen there, set it to another address: .*EADDRINUSE/,
    );
  });

  test("count the calls that were run, by tool and how they ended, and name nobody", async () => {
    const [settled, unknown] = await Promise.all([
      calls("bash", "settled"),
      calls("glob", "outcome_unknown"),
    ]);
    assert.equal(unknown, 0);
    const { id } = await newSession(api.client, facts);
    await turn(api.client, id, "bash true\nbash false\ncall nonsense {}\nthen\nsay done");
    assert.equal(await calls("bash", "settled"), (settled ?? 0) + 2);
    const text = JSON.stringify([...(await scraped(api.server.metrics_url)).keys()]);
    assert.doesNotMatch(text, /nonsense|(sesn|agent|env|wrkspc|host|sbx)_\w{8}/);
  });

  test("count tools that are not known under one name", async () => {
    const metrics = createMetrics({ tools: ["bash"], hosts: [] });
    for (const name of ["a", "b"]) metrics.toolCalled(name, {});
    const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("drover_tool_calls"));
    assert.deepEqual(lines, [
      'drover_tool_calls_total{tool="bash",outcome="settled"} 0',
      'drover_tool_calls_total{tool="bash",outcome="run_again"} 0',
      'drover_tool_calls_total{tool="bash",outcome="outcome_unknown"} 0',
      'drover_tool_calls_total{tool="other",outcome="settled"} 2',
    ]);
  });

  test("count what sandboxes have used of the network, and what they were refused", async () => {
    const metrics = createMetrics({ tools: [], hosts: [] });
    const refused = [{ host: "a.example", port: 443, reason: "it is not allowed", count: 3 }];
    metrics.toolCalled("bash", {
      network: { connections: 2, bytes_sent: 10, bytes_received: 500, refused, refused_more: 4 },
    });
    metrics.toolCalled("bash", {});
    const text = await metrics.text();
    assert.match(text, /^drover_sandbox_connections_total 2$/m);
    assert.match(text, /^drover_sandbox_bytes_total\{direction="sent"\} 10$/m);
    assert.match(text, /^drover_sandbox_bytes_total\{direction="received"\} 500$/m);
    assert.match(text, /^drover_sandbox_refusals_total 7$/m);
  });

  test("say what work waits for workers and what has one, and count what they lose", async () => {
    await becomes('drover_work_items{state="waiting"}', 0);
    const own = await selfHosted(api);
    for (const _ of [1, 2]) await newHostedSession(own);
    await becomes('drover_work_items{state="waiting"}', 2);
    assert.equal(await counted('drover_work_items{state="held"}'), 0);
    const { environmentId: environment_id } = own;
    const work = await own.worker.beta.environments.work.poll(environment_id);
    await own.worker.beta.environments.work.ack(work?.id ?? "", { environment_id });
    await becomes('drover_work_items{state="held"}', 1);
    assert.ok(((await counted("drover_work_oldest_seconds")) ?? 0) > 0);
    const over = "update work_item set lease_until = drover_now() where state <> 'queued'";
    await api.db.query({ name: "test_over", text: over }, []);
    await becomes("drover_work_lost_total", 1);
    await becomes('drover_work_items{state="waiting"}', 2);
  });

  test("say nothing of work that nobody can look at, and nothing that was true before", async () => {
    const metrics = createMetrics({ tools: [], hosts: [] });
    metrics.workSeen({ waiting: 1, held: 2, oldest_s: 3 });
    assert.match(await metrics.text(), /^drover_work_oldest_seconds 3$/m);
    metrics.workSeen(null);
    assert.doesNotMatch(await metrics.text(), /^drover_work_(items|oldest_seconds)\b/m);
  });

  test("say that a host cannot be reached", async () => {
    const metrics = createMetrics({ tools: [], hosts: [{ isUp: () => false, facts: () => null }] });
    assert.match(await metrics.text(), /^drover_sandbox_hosts\{state="unreachable"\} 1$/m);
  });

  for (const [result, spoil] of [
    ["whole", () => {}],
    ["incomplete", () => damage(api.hands.storage, "spoilt\n")],
    [
      "empty",
      (id: string) => rmSync(join(api.hands.storage, "documents/workspaces", id), { recursive: true }),
    ],
  ] as const) {
    test(`count workspaces that came back ${result}`, async () => {
      const { id } = await newSession(api.client, facts);
      const kept = api.hands.kept(id);
      await turn(api.client, id, "bash echo good > good; echo spoilt > spoilt");
      await kept;
      await api.hands.replace();
      spoil(id);
      const series = `drover_workspaces_restored_total{result="${result}"}`;
      assert.equal(await counted(series), 0);
      await turn(api.client, id, "bash true\nbash true");
      assert.equal(await counted(series), 1);
    });
  }

  test("say how many hosts can be reached, and keep workspaces", async () => {
    const ready = 'drover_sandbox_hosts{state="ready"}';
    const failing = 'drover_sandbox_hosts{state="checkpoints_failing"}';
    await becomes(ready, 1);
    const { id } = await newSession(api.client, facts);
    const mark = join(api.hands.storage, "storage-id");
    const storageId = readFileSync(mark);
    rmSync(mark);
    await turn(api.client, id, "bash echo one > a");
    await becomes(failing, 1);
    assert.equal(await counted(ready), 0);
    writeFileSync(mark, storageId);
    await turn(api.client, id, "bash echo two > a");
    await becomes(ready, 1);
    assert.equal(await counted(failing), 0);
  });
});
