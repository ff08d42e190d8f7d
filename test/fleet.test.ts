import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { testDatabase } from "../src/db/testing.ts";
import { noMounts } from "../src/hands/bring-mounts.ts";
import { StaleEpoch, Undecided } from "../src/hands/client.ts";
import { bubblewrap } from "../src/hands/drivers/bubblewrap.ts";
import { createFleet } from "../src/hands/fleet.ts";
import { startHands } from "../src/hands/host.ts";
import { sandboxOf } from "../src/hands/placement.ts";
import { appears, exec, finished, never, textOf } from "../src/hands/testing-host.ts";
import type { Checkpoint } from "../src/hands/wire.ts";
import { placementsIn } from "../src/log/placement.ts";
import { call, holderOf, kill, otherThan, run, setUpOf, startHosts } from "./harness/hosts.ts";
import { heldCommand } from "./harness/workspace.ts";

const db = await testDatabase();
const hosts = startHosts(db);
const { place, startHost, startProcess, fleetOf, claimed, takenOver, reread, troubles, onClose } = hosts;
afterEach(hosts.close);
after(() => db.close());

describe("sessions are placed", () => {
  test("where there is most room, and stay there", async () => {
    const hosts = [await startHost({ sandboxes_max: 4 }), await startHost({ sandboxes_max: 4 })];
    const { fleet } = await fleetOf(hosts);
    const held = [];
    for (let n = 0; n < 4; n += 1) held.push(await claimed());
    await Promise.all(held.map(({ lease }) => run(fleet, lease, "echo here > file")));
    const places = held.map(({ session }) => holderOf(hosts, sandboxOf(session.id)));
    assert.equal(places.filter((host) => host === hosts[0]).length, 2, "two on each");
    for (const { session } of held) {
      const lease = await takenOver(session);
      assert.equal(textOf(await run(fleet, lease, "cat file")), "here\n");
      assert.equal(lease.placement?.generation, 0);
    }
  });

  test("not where all is in use, and nowhere when all hosts are full", async () => {
    const hosts = [await startHost({ sandboxes_max: 1 }), await startHost({ sandboxes_max: 1 })];
    const { fleet } = await fleetOf(hosts);
    const busy = [await claimed(), await claimed()].map(({ lease }) => ({
      lease,
      hands: fleet.handsOf(lease),
      sandbox: sandboxOf(lease.session_id),
    }));
    const running = busy.map(({ lease, hands }) =>
      hands.execute(call(lease, "until [ -e go ]; do sleep 0.01; done"), never),
    );
    for (const { sandbox } of busy) {
      while (!hosts.some((host) => existsSync(host.workspace(sandbox)))) await delay(5);
    }
    const release = ({ lease, hands }: (typeof busy)[number]) =>
      hands.execute({ ...call(lease, ""), operation: exec("touch", "go") }, never);
    const late = await claimed();
    const refused = await run(fleet, late.lease, "true");
    assert.equal(refused.status, "unavailable");
    assert.match(
      JSON.stringify(refused),
      /all sandbox hosts are full, with 2 sandboxes in use; try again later/,
    );
    const [first = assert.fail(), second = assert.fail()] = busy;
    await release(first);
    await running[0];
    assert.equal(finished(await run(fleet, late.lease, "true")).exit_code, 0);
    await release(second);
    assert.equal(finished((await running[1]) ?? assert.fail()).timed_out, false);
  });

  test("and wait for room", async () => {
    const checkpoints = { storage: join(place().folder.path, "storage"), after_ms: 1 };
    const host = await startHost({ sandboxes_max: 1, checkpoints });
    const { fleet } = await fleetOf([host], { room_ms: 60_000 });
    const [first, second] = [await claimed(), await claimed()];
    await run(fleet, second.lease, "echo mine > file");
    const next = await reread(second.lease);
    const begun = fleet.handsOf(first.lease);
    const busy = begun.execute(call(first.lease, "touch begun; until [ -e go ]; do sleep 0.01; done"), never);
    await appears(join(host.workspace(sandboxOf(first.session.id)), "begun"));
    const newcomer = await claimed();
    const waiting = [run(fleet, next, "cat file"), run(fleet, newcomer.lease, "echo new")];
    const interrupt = new AbortController();
    const given_up = fleet.handsOf(next).execute(call(next, "true"), interrupt.signal);
    interrupt.abort();
    assert.notEqual((await given_up).status, "lost");
    await begun.execute({ ...call(first.lease, ""), operation: exec("touch", "go") }, never);
    await busy;
    assert.deepEqual((await Promise.all(waiting)).map(textOf), ["mine\n", "new\n"]);
    assert.equal((await reread(next)).placement?.generation, 0, "it stays where it is");
  });

  test("not while the database does not say where, and then all the same", async () => {
    const { connections } = await fleetOf([await startHost()]);
    const { lease } = await claimed();
    let away = true;
    const placements = placementsIn({
      query: (statement, values) =>
        away ? Promise.reject(new Error("the database is away")) : db.query(statement, values),
    });
    const fleet = createFleet({
      hosts: connections,
      placements,
      mounts: noMounts,
      gone_ms: 600,
      trouble() {},
    });
    onClose(fleet.close);
    const hands = fleet.handsOf(lease);
    await assert.rejects(hands.execute(call(lease, "true"), never), Undecided);
    away = false;
    assert.equal(finished(await hands.execute(call(lease, "true"), never)).exit_code, 0);
  });

  test("by nobody whose lease is over", async () => {
    const { fleet } = await fleetOf([await startHost()]);
    const { session, lease } = await claimed();
    await takenOver(session);
    await assert.rejects(run(fleet, lease, "true"), StaleEpoch);
  });
});

describe("a sandbox is set up", () => {
  test("where there is room, and not where all is in use", async () => {
    const host = await startHost({ sandboxes_max: 1 });
    const { fleet } = await fleetOf([host]);
    const [busy, late] = [await claimed(), await claimed()];
    const held = fleet.handsOf(busy.lease).setUp(setUpOf(busy.lease, heldCommand), () => {}, never);
    const workspace = host.workspace(sandboxOf(busy.session.id));
    await appears(join(workspace, "runs"));
    const setUpLate = () => fleet.handsOf(late.lease).setUp(setUpOf(late.lease, "true"), () => {}, never);
    const refused = await setUpLate();
    assert.equal(refused.status, "unavailable");
    assert.match(JSON.stringify(refused), /in use/);
    writeFileSync(join(workspace, "go"), "");
    assert.deepEqual(await held, { status: "ready" });
    assert.deepEqual(await setUpLate(), { status: "ready" });
  });
});

describe("a host dies", () => {
  test("what was begun is lost, what was not goes on at another one, and what is left is freed", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet } = await fleetOf(hosts);
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const hands = fleet.handsOf(lease);
    await hands.execute(call(lease, "echo kept > file"), never);
    const dies = holderOf(hosts, sandbox);
    const lives = otherThan(hosts, dies);
    const begun = hands.execute(call(lease, "touch begun; sleep 1000"), never);
    await appears(join(dies.workspace(sandbox), "begun"));
    await kill(dies.process());
    const notBegun = hands.execute(call(lease, "echo elsewhere"), never);
    const lost = await begun;
    assert.equal(lost.status, "lost");
    assert.match(JSON.stringify(lost), /host_\w+ was unreachable for \d+ s, and the session goes on at/);
    assert.equal(textOf(await notBegun), "elsewhere\n");
    assert.equal(holderOf(hosts.slice().reverse(), `${sandbox}-1`), lives);

    await dies.start();
    while (existsSync(dies.workspace(sandbox))) await delay(5);
    assert.equal(
      textOf(await hands.execute(call(lease, "echo still elsewhere"), never)),
      "still elsewhere\n",
    );
  });

  test("what was set up there is set up at another one", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet } = await fleetOf(hosts);
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const ended = fleet.handsOf(lease).setUp(setUpOf(lease, heldCommand), () => {}, never);
    while (!hosts.some((host) => existsSync(join(host.workspace(sandbox), "runs")))) await delay(5);
    const dies = holderOf(hosts, sandbox);
    const next = otherThan(hosts, dies).workspace(`${sandbox}-1`);
    await kill(dies.process());
    await appears(join(next, "runs"));
    writeFileSync(join(next, "go"), "");
    assert.deepEqual(await ended, { status: "ready" });
    assert.equal(readFileSync(join(next, "runs"), "utf8"), "run\n");
  });

  test("what an earlier brain may have begun there is not run again elsewhere", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet } = await fleetOf(hosts);
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    await run(fleet, lease, "true");
    const dies = holderOf(hosts, sandbox);
    const lives = otherThan(hosts, dies);
    await kill(dies.process());
    const next = await takenOver(session);
    const resumed = call(next, "echo again > again", { begun_seq: 1 });
    assert.equal((await fleet.handsOf(next).execute(resumed, never)).status, "lost");
    // The brain after that one knows of the move from the database alone.
    const third = await takenOver(session);
    assert.equal(third.placement?.generation, 1);
    const again = { ...resumed, epoch: third.epoch };
    assert.equal((await fleet.handsOf(third).execute(again, never)).status, "lost");
    const later = call(third, "ls", { begun_seq: (third.placement?.moved_seq ?? 0) + 1 });
    assert.equal(textOf(await fleet.handsOf(third).execute(later, never)), "");
    assert.equal(existsSync(join(lives.workspace(`${sandbox}-1`), "again")), false);
  });

  test("and is waited for while there is no other", async () => {
    const host = await startProcess();
    const { fleet, connections } = await fleetOf([host], { gone_ms: 100 });
    const { lease } = await claimed();
    const hands = fleet.handsOf(lease);
    await hands.execute(call(lease, "echo kept > file"), never);
    await kill(host.process());
    const waiting = hands.execute(call(lease, "cat file"), never);
    while ((connections[0]?.unheard_ms() ?? 0) < 300) await delay(5);
    await host.start();
    assert.equal(textOf(await waiting), "kept\n");
  });

  test("and nobody waits for ever for a first sandbox, nor once interrupted", async () => {
    const host = await startProcess();
    const { fleet } = await fleetOf([host], { gone_ms: 100 });
    const { lease } = await claimed();
    const placed = await claimed();
    await run(fleet, placed.lease, "true");
    await kill(host.process());
    const refused = await run(fleet, lease, "true");
    assert.deepEqual(refused, { status: "unavailable", reason: "no sandbox host can be reached" });
    const interrupt = new AbortController();
    const waiting = fleet
      .handsOf(await reread(placed.lease))
      .execute(call(placed.lease, "true"), interrupt.signal);
    interrupt.abort();
    assert.equal((await waiting).status, "unavailable");
  });
});

describe("a session that goes on at another host", () => {
  async function twoHosts() {
    const folder = place().folder.path;
    const waiting = new Map<string, () => void>();
    const onKept = ({ sandbox_id }: Checkpoint) => waiting.get(sandbox_id)?.();
    const checkpoints = { storage: join(folder, "storage"), after_ms: 10, onKept };
    const hosts = [await startHost({ checkpoints }), await startHost({ checkpoints })];
    const { fleet } = await fleetOf(hosts, { gone_ms: 3_600_000 });
    const kept = (id: string) => new Promise<void>((resolve) => waiting.set(id, resolve));
    return { hosts, fleet, kept };
  }

  test("begins there with its own files as they were kept last, though nobody says so", async () => {
    const { hosts, fleet, kept } = await twoHosts();
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const isKept = kept(sandbox);
    await run(fleet, lease, "echo mine > file");
    await isKept;
    await holderOf(hosts, sandbox).stop();
    assert.equal(textOf(await run(fleet, await reread(lease), "cat file")), "mine\n");
  });
});

describe("a host has no room left for a session that it has the workspace of", () => {
  async function twoHosts(after_ms: number, room_ms: number) {
    const checkpoints = { storage: join(place().folder.path, "storage"), after_ms };
    const hosts = [
      await startHost({ checkpoints, sandboxes_max: 1 }),
      await startHost({ checkpoints, sandboxes_max: 1 }),
    ];
    const { fleet } = await fleetOf(hosts, { room_ms });
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    await run(fleet, lease, "echo kept > file");
    const full = holderOf(hosts, sandbox);
    const other = otherThan(hosts, full);
    // Its idle sandbox makes room for one that is not.
    const { fleet: toFull } = await fleetOf([full]);
    const busy = await claimed();
    const running = toFull.handsOf(busy.lease).execute(call(busy.lease, "touch begun; sleep 1000"), never);
    running.catch(() => {});
    await appears(join(full.workspace(sandboxOf(busy.session.id)), "begun"));
    return { fleet, sandbox, other, lease: await reread(lease) };
  }

  test("it goes on at another one with what is kept, and nothing is said to be lost", async () => {
    const { fleet, sandbox, other, lease } = await twoHosts(1, 30_000);
    const resumed = call(lease, "cat file", { begun_seq: 1 });
    const hands = fleet.handsOf(lease);
    const both = [resumed, call(lease, "cat file", { begun_seq: 1 })].map((each) =>
      hands.execute(each, never),
    );
    assert.deepEqual((await Promise.all(both)).map(textOf), ["kept\n", "kept\n"]);
    assert.ok(existsSync(other.workspace(`${sandbox}-1`)));
  });

  test("it waits there while not all is kept", async () => {
    const { fleet, sandbox, other, lease } = await twoHosts(1_000_000, 600);
    const refused = await run(fleet, lease, "cat file");
    assert.match(JSON.stringify(refused), /all 1 sandboxes of this host are in use/);
    assert.ok(!existsSync(other.workspace(`${sandbox}-1`)));
  });
});

describe("a host is frozen", () => {
  test("for longer than the bound: its late result is not taken, and its sandbox is freed", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet } = await fleetOf(hosts);
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const hands = fleet.handsOf(lease);
    await hands.execute(call(lease, "true"), never);
    const frozen = holderOf(hosts, sandbox);
    const begun = hands.execute(
      call(lease, "touch begun; until [ -e go ]; do sleep 0.01; done; echo late"),
      never,
    );
    await appears(join(frozen.workspace(sandbox), "begun"));
    frozen.process().kill("SIGSTOP");
    assert.equal((await begun).status, "lost");
    assert.equal(textOf(await hands.execute(call(lease, "echo elsewhere"), never)), "elsewhere\n");
    frozen.process().kill("SIGCONT");
    while (existsSync(frozen.workspace(sandbox))) await delay(5);
    assert.equal(textOf(await hands.execute(call(lease, "echo still"), never)), "still\n");
  });

  test("for less: nothing is lost", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet, connections } = await fleetOf(hosts, { gone_ms: 60_000 });
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const hands = fleet.handsOf(lease);
    await hands.execute(call(lease, "true"), never);
    const frozen = holderOf(hosts, sandbox);
    const begun = hands.execute(call(lease, "echo run >> runs; cat runs"), never);
    frozen.process().kill("SIGSTOP");
    while (connections.every((each) => each.isUp())) await delay(5);
    frozen.process().kill("SIGCONT");
    assert.equal(textOf(await begun), "run\n");
  });
});

describe("two servers disagree", () => {
  test("about whether a host is gone: the one that holds the session decides", async () => {
    const hosts = [await startProcess(), await startProcess()];
    const { fleet: sees } = await fleetOf(hosts);
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    await run(sees, lease, "echo first > file");
    const holder = holderOf(hosts, sandbox);
    // Of the two this one can reach only the other host.
    const { fleet: blind } = await fleetOf([otherThan(hosts, holder)], { gone_ms: 100 });

    const old = await reread(lease);
    const next = await takenOver(session);
    assert.equal(textOf(await run(blind, next, "echo second > file; ls")), "file\n");
    await assert.rejects(
      placementsIn(db)
        .move(old, old.placement ?? assert.fail(), "host_x")
        .then((moved) => assert.ok(moved)),
    );
    const third = await takenOver(session);
    assert.equal(third.placement?.generation, 1);
    assert.equal(textOf(await run(sees, third, "cat file")), "second\n");
  });
});

describe("a host leaves", () => {
  test("its sessions go on elsewhere at once, and what ran is lost with the reason", async () => {
    const hosts = [await startHost(), await startHost()];
    const { fleet } = await fleetOf(hosts, { gone_ms: 3_600_000 });
    const { session, lease } = await claimed();
    const sandbox = sandboxOf(session.id);
    const hands = fleet.handsOf(lease);
    await hands.execute(call(lease, "true"), never);
    const leaves = holderOf(hosts, sandbox);
    const begun = hands.execute(call(lease, "touch begun; sleep 1000"), never);
    await appears(join(leaves.workspace(sandbox), "begun"));
    const stopping = leaves.stop();
    const next = hands.execute(call(lease, "echo elsewhere"), never);
    assert.equal((await begun).status, "lost");
    assert.equal(textOf(await next), "elsewhere\n");
    await stopping;
    assert.ok(existsSync(otherThan(hosts, leaves).workspace(`${sandbox}-1`)));
  });
});

test("a session leaves a host that this server has not met, and the server says so once", async () => {
  const [theirs, own] = [await startHost(), await startHost()];
  const { fleet: other } = await fleetOf([theirs]);
  const { fleet } = await fleetOf([own], { gone_ms: 100 });
  for (const _ of [1, 2]) {
    const placed = await claimed();
    await run(other, placed.lease, "true");
    const next = await takenOver(placed.session);
    assert.equal((await run(fleet, next, "true")).status, "finished");
  }
  const host_id = readFileSync(join(theirs.folder.path, "host-id"), "utf8").trim();
  const said = troubles.filter((trouble) => trouble.includes(host_id));
  assert.equal(said.length, 1);
  assert.match(
    said[0] ?? "",
    /has not met and no other has reached lately: if it is to come back, every server must name it in DROVER_HANDS_HOSTS/,
  );
});

describe("two hosts with one id", () => {
  test("are used neither, and it is said", async () => {
    const [first, copy] = [await startHost(), place()];
    mkdirSync(copy.folder.path, { recursive: true });
    copyFileSync(join(first.folder.path, "host-id"), join(copy.folder.path, "host-id"));
    const { path } = copy.folder;
    const running = await startHands({
      socket_path: copy.socket_path,
      data_dir: path,
      driver: bubblewrap({ data_dir: path }),
    });
    onClose(() => running.close());
    const { fleet } = await fleetOf([first, copy], { gone_ms: 100 });
    const { lease } = await claimed();
    assert.equal((await run(fleet, lease, "true")).status, "unavailable");
    assert.match(
      troubles.join("\n"),
      /says that it is host_\w+, as another host does: remove the file host-id/,
    );
  });
});
