import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { scraped } from "./harness/metrics.ts";
import { noNamespaces, type RemoteHost, type RemoteHosts, startRemoteHosts } from "./harness/network.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
  isIdle,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

const skip = noNamespaces();

describe("hosts on other machines", { skip }, () => {
  let remote: RemoteHosts;
  let facts: Facts;
  before(async () => {
    remote = await startRemoteHosts({ count: 2, gone_seconds: 6 });
    facts = await prepare(remote.client);
  });
  after(() => remote.close());

  async function start(text: string) {
    const { id } = await newSession(remote.client, facts);
    const client = reconnecting(remote.client, id);
    await send(remote.client, id, message(text));
    return { id, client };
  }

  /** The host that a session was placed on, and the other one. */
  async function placeOf(id: string): Promise<{ on: RemoteHost; off: RemoteHost }> {
    for (;;) {
      const on = remote.hosts.find((host) => host.has(id));
      const off = remote.hosts.find((host) => host !== on);
      if (on && off) return { on, off };
      await pause(5);
    }
  }

  const untilFreed = async (host: RemoteHost, id: string) => {
    while (host.has(id)) await pause(5);
  };

  const unknown = /outcome of this call is unknown: the sandbox host host_\w+ was unreachable for 6 s/;

  test("one is cut off while a command runs: the session goes on at the other with its files, and nothing runs twice", async () => {
    const { id, client } = await start("bash echo kept > file\nthen\nsay one");
    const { on, off } = await placeOf(id);
    await client.until(isIdle);
    await remote.kept(id, 0, 1);
    await send(
      remote.client,
      id,
      message(`bash ${heldCommand}\nthen\nbash ls; cat file; echo more > file\nthen\nsay two`),
    );
    await on.workspace(id).written("runs");
    on.cut();
    await client.until(isIdle, 2);
    const [, lost, next] = resultsIn(client.seen);
    assert.match(lost ?? "", unknown);
    assert.match(next ?? "", /^file\nkept\n/, "as it was kept last, without what the lost command wrote");
    assert.match(next ?? "", /checkpoint/, "and the model is told");
    assert.match(saidIn(client.seen), /two$/);
    assert.equal(readFileSync(on.workspace(id).path("runs"), "utf8"), "run\n");
    assert.ok(off.has(id, 1));
    const counted = await scraped(remote.metrics_url);
    assert.equal(counted.get("drover_sandboxes_moved_total"), 1);
    assert.equal(counted.get('drover_sandbox_hosts{state="unreachable"}'), 1);

    on.mend();
    await untilFreed(on, id);
    await send(remote.client, id, message("bash cat file\nthen\nsay three"));
    await client.until(isIdle, 3);
    assert.equal(resultsIn(client.seen)[3], "more");
    await client.close();
  });

  test("one is cut off for less than the bound: the command's result comes when it is back", async () => {
    const { id, client } = await start(`bash ${heldCommand}\nthen\nsay done`);
    const { on } = await placeOf(id);
    await on.workspace(id).written("runs");
    on.cut();
    on.workspace(id).release();
    // Longer than the silence that breaks a connection.
    await pause(2_500);
    on.mend();
    await client.until(isIdle);
    assert.deepEqual(resultsIn(client.seen), ["1"]);
    assert.ok(on.has(id));
    await client.close();
  });

  test("one is frozen for longer, and back: what it says late is not taken, and it is freed", async () => {
    const { id, client } = await start(
      `bash ${heldCommand}; echo late > /workspace/late\nthen\nbash echo elsewhere\nthen\nsay done`,
    );
    const { on } = await placeOf(id);
    await on.workspace(id).written("runs");
    on.freeze();
    // Its sandbox runs on: only the host stands still.
    on.workspace(id).release();
    while (!existsSync(on.workspace(id).path("late"))) await pause(5);
    await client.until(isIdle);
    assert.match(resultsIn(client.seen)[0] ?? "", unknown);
    const before = client.seen.length;
    on.thaw();
    await untilFreed(on, id);
    await send(remote.client, id, message("bash echo after\nthen\nsay again"));
    await client.until(isIdle, 2);
    const [, ...results] = resultsIn(client.seen);
    assert.match(results.join("|"), /^elsewhere.*\|after/s);
    assert.ok(client.seen.length > before);
    await client.close();
  });

  test("one is shut down: its sessions go on at the other at once, with their files", async () => {
    const { id, client } = await start("bash echo begun > file\nthen\nsay one");
    const { on, off } = await placeOf(id);
    await client.until(isIdle);
    await on.stop();
    await send(remote.client, id, message("bash cat file\nthen\nsay two"));
    await client.until(isIdle, 2);
    assert.match(resultsIn(client.seen)[1] ?? "", /^begun/);
    assert.ok(off.has(id, 1));
    await client.close();
  });
});
