import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Driver, Unavailable } from "../driver.ts";
import { sandboxFolders } from "../drivers/sandbox-folders.ts";
import { plainSpec } from "../plain-spec.ts";
import { type TestFolder, testFolder } from "../testing.ts";
import type { Checkpoint, Restored } from "../wire.ts";
import { type Checkpoints, type CheckpointsOptions, createCheckpoints } from "./checkpoints.ts";
import { openSharedFolder } from "./shared-folder.ts";
import { checkpointsOf, damage, sandbox_id, session_id } from "./testing.ts";

let folder: TestFolder;
let storage: string;
const folders: TestFolder[] = [];
const open: Checkpoints[] = [];
beforeEach(() => {
  folder = testFolder();
  folders.push(folder);
  storage = join(folder.path, "storage");
  mkdirSync(storage);
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
after(() => {
  for (const each of folders) each.remove();
});

/** A host with folders and no sandboxes. */
function host(name: string, more: Partial<CheckpointsOptions> = {}) {
  const data_dir = join(folder.path, name);
  const sandboxes = sandboxFolders(data_dir, null);
  const kept = (path: string) => [{ name: "workspace", path, inside: "/workspace", owner: null }];
  const none = () => Promise.reject(new Error("there are no sandboxes"));
  const driver: Driver = {
    ...{
      name: "none",
      check: none,
      describe: none,
      enforces: none,
      close: none,
      prepare: none,
      provision: none,
    },
    forget: (id) => sandboxes.remove(id),
    mounts: () => "",
    keptFolders(id) {
      const found = sandboxes.find(id);
      return found && kept(found.workspace);
    },
    hold: sandboxes.hold,
    async stage(id) {
      const { folder, ...rest } = await sandboxes.stage(id, null);
      return { ...rest, folders: kept(folder.workspace) };
    },
  };
  const waiting: ((checkpoint: Checkpoint) => void)[] = [];
  const made: Checkpoint[] = [];
  const troubles: string[] = [];
  const troubled = Promise.withResolvers<string>();
  const recovered = Promise.withResolvers<void>();
  const checkpoints = createCheckpoints({
    driver,
    data_dir,
    storage,
    after_ms: 10,
    retry_ms: 10,
    onKept(checkpoint) {
      made.push(checkpoint);
      for (const hear of waiting.splice(0)) hear(checkpoint);
    },
    onTrouble({ message }) {
      troubles.push(message);
      troubled.resolve(message);
    },
    onRecovered: recovered.resolve,
    ...more,
  });
  open.push(checkpoints);
  return {
    checkpoints,
    ...{ made, troubles, troubled: troubled.promise, recovered: recovered.promise },
    workspace: join(data_dir, "sandboxes", sandbox_id, "workspace"),
    async rested() {
      while (!checkpoints.isKept(sandbox_id)) await delay(5);
    },
    openSandbox: () => sandboxes.open(sandbox_id, null),
    /** Another sandbox of that host. */
    async other(id: string) {
      fillWith((await sandboxes.open(id, null)).folder.workspace, 500);
      return { call: (name: string) => checkpoints.began(id, session_id)(name) };
    },
    kept: () => new Promise<Checkpoint>((resolve) => waiting.push(resolve)),
    call(id: string, change: () => void) {
      const ended = checkpoints.began(sandbox_id, session_id);
      change();
      ended(id);
    },
  };
}

const listed = () => checkpointsOf(openSharedFolder(storage, { known: null, make: false }), session_id);

test("a workspace is kept when no call has used it for a while, and brought back where it is not", async () => {
  const a = host("a");
  await a.openSandbox();
  const kept = a.kept();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  a.call("c2", () => {});
  assert.deepEqual((await kept).after_calls, ["c1", "c2"]);
  const b = host("b");
  await b.checkpoints.fill(sandbox_id, session_id, plainSpec);
  assert.equal(readFileSync(join(b.workspace, "file"), "utf8"), "text");
  assert.deepEqual(await listed(), a.made);
  const report = b.checkpoints.report(sandbox_id, null);
  assert.deepEqual(report?.checkpoint, a.made[0]);
  assert.deepEqual(b.checkpoints.report(sandbox_id, "another"), report, "every call tells it");
  assert.equal(b.checkpoints.report(sandbox_id, report?.id ?? ""), null, "until it is known");
  assert.equal(b.checkpoints.report(sandbox_id, null), null);
});

test("a checkpoint says how its workspace had begun, until that is known", async () => {
  const a = host("a");
  await a.openSandbox();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  await a.rested();
  /** What another host tells of what the one before has kept, when a call has changed it. */
  async function next(name: string, known: boolean): Promise<Restored> {
    const b = host(name);
    await b.checkpoints.fill(sandbox_id, session_id, plainSpec);
    const report = b.checkpoints.report(sandbox_id, null) ?? assert.fail("it tells of nothing");
    if (known) b.checkpoints.report(sandbox_id, report.id);
    b.call(name, () => writeFileSync(join(b.workspace, "file"), name));
    await b.rested();
    return report;
  }
  const { untold, ...first } = await next("b", false);
  const { untold: untoldFirst, ...second } = await next("c", false);
  assert.deepEqual([untold, untoldFirst], [[], [first]]);
  assert.deepEqual((await next("d", true)).untold, [first, second]);
  assert.deepEqual((await next("e", true)).untold, []);
});

test("a workspace that is there is left as it is", async () => {
  const a = host("a");
  await a.openSandbox();
  const kept = a.kept();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "old"));
  await kept;
  writeFileSync(join(a.workspace, "file"), "new");
  await a.checkpoints.fill(sandbox_id, session_id, plainSpec);
  assert.equal(readFileSync(join(a.workspace, "file"), "utf8"), "new");
  assert.equal(a.checkpoints.report(sandbox_id, null), null);
});

test("the process after one that was killed keeps what that one did not come to, and tells what it did not tell", async () => {
  const a = host("a", { after_ms: 1_000_000 });
  await a.openSandbox();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  a.checkpoints.began(sandbox_id, session_id);
  // Not closed: killed, as far as its disk can tell.
  open.splice(0);
  const next = host("a");
  assert.deepEqual((await next.kept()).after_calls, ["c1"]);

  const b = host("b");
  await b.checkpoints.fill(sandbox_id, session_id, plainSpec);
  open.splice(open.indexOf(b.checkpoints), 1);
  const after_b = host("b");
  after_b.checkpoints.began(sandbox_id, session_id);
  assert.deepEqual(after_b.checkpoints.report(sandbox_id, null)?.checkpoint, next.made[0]);
});

test("a host that ends keeps what is left to keep", async () => {
  const a = host("a", { after_ms: 1_000_000, closing_ms: 10 * 60_000 });
  await a.openSandbox();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  await a.checkpoints.close();
  assert.deepEqual(
    a.made.map(({ after_calls }) => after_calls),
    [["c1"]],
  );
});

test("a storage that fails is told of once, and workspaces are kept when it works again", async () => {
  rmSync(storage, { recursive: true });
  writeFileSync(storage, "no folder");
  const a = host("a");
  await a.openSandbox();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  assert.match(await a.troubled, /ENOTDIR|EEXIST/);
  a.call("c2", () => {});
  const kept = a.kept();
  rmSync(storage);
  assert.deepEqual((await kept).after_calls, ["c1", "c2"]);
  await a.recovered;
  assert.equal(a.troubles.length, 1);
});

test("a storage that does not answer holds up no call, and no removal", async () => {
  execFileSync("mkfifo", [join(storage, "storage-id")]);
  const a = host("a", { closing_ms: 1 });
  await a.openSandbox();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  // Opened by the other end, which reads from now on.
  const held = await openFile(join(storage, "storage-id"), "w");
  a.call("c2", () => {});
  await a.checkpoints.forget(sandbox_id, null, async () => rmSync(a.workspace, { recursive: true }));
  assert.deepEqual(a.made, []);
  await held.close();
});

test("a workspace that may be in a storage that is away is not begun anew", async () => {
  const a = host("a");
  await a.openSandbox();
  const kept = a.kept();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  await kept;
  renameSync(storage, `${storage}.away`);
  const b = host("b");
  await assert.rejects(b.checkpoints.fill(sandbox_id, session_id, plainSpec), Unavailable);
  assert.ok(!existsSync(b.workspace));
  renameSync(`${storage}.away`, storage);
  damage(storage, "text");
  await b.checkpoints.fill(sandbox_id, session_id, plainSpec);
  assert.equal(b.checkpoints.report(sandbox_id, null)?.missing_count, 1);
});

test("what is removed is not being kept any more, and what its calls had to say is not said of the next", async () => {
  const a = host("a", { stop_ms: safely_ms });
  await a.openSandbox();
  fillWith(a.workspace, 1_000);
  const old = a.checkpoints.began(sandbox_id, session_id);
  a.checkpoints.began(sandbox_id, session_id)("c1");
  const other = await a.other("sbx_other");
  other.call("c2");
  while (beingMade().length === 0) await delay(1);
  await a.checkpoints.forget("sbx_other", null, async () => assert.deepEqual(beingMade(), []));
  await a.checkpoints.forget(sandbox_id, null, async () => rmSync(a.workspace, { recursive: true }));
  await a.openSandbox();
  const kept = a.kept();
  const next = a.checkpoints.began(sandbox_id, session_id);
  old("old");
  next("next");
  assert.deepEqual((await kept).after_calls, ["next"]);
});

test("what is removed has no checkpoint any more, nor gets another one", async () => {
  const a = host("a");
  await a.openSandbox();
  const kept = a.kept();
  a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
  await kept;
  a.call("c2", () => {});
  await a.checkpoints.forget(sandbox_id, session_id, () =>
    Promise.resolve(rmSync(a.workspace, { recursive: true })),
  );
  assert.deepEqual(await listed(), []);
  const b = host("b");
  await b.checkpoints.fill(sandbox_id, session_id, plainSpec);
  assert.ok(!existsSync(b.workspace));
  assert.deepEqual(b.checkpoints.report(sandbox_id, null)?.checkpoint, null);
});

/** What the storage is being given, by the names of the batches. */
/** What is ended before it has come to a safe place leaves files behind. */
const safely_ms = 10 * 60_000;

function beingMade(): string[] {
  const incoming = join(storage, "incoming");
  // Those without a dash are single documents.
  return existsSync(incoming) ? readdirSync(incoming).filter((name) => name.includes("-")) : [];
}

function fillWith(path: string, files: number): void {
  for (let i = 0; i < files; i++) writeFileSync(join(path, String(i)), `content ${i}`);
}

test("a workspace does not rest while one of its calls goes on", async () => {
  const a = host("a");
  await a.openSandbox();
  const both = a.kept();
  const [first, second] = [1, 2].map(() => a.checkpoints.began(sandbox_id, session_id));
  first?.("c1");
  // What would have been kept before that has been, by now: they stand in one line.
  const b = await a.other("sbx_other");
  const kept = a.kept();
  b.call("c");
  assert.deepEqual((await kept).after_calls, ["c"]);
  second?.("c2");
  await a.rested();
  await both;
  assert.deepEqual(
    a.made.map(({ after_calls }) => after_calls),
    [["c"], ["c1", "c2"]],
  );
});

test("a call that begins ends the checkpoint that is being made", async () => {
  const a = host("a", { stop_ms: safely_ms });
  await a.openSandbox();
  fillWith(a.workspace, 1_000);
  a.call("c1", () => {});
  while (beingMade().length === 0) await delay(1);
  const ended = a.checkpoints.began(sandbox_id, session_id);
  while (beingMade().length > 0) await delay(1);
  assert.deepEqual(await listed(), []);
  const kept = a.kept();
  ended("c2");
  const { after_calls, in_use, files } = await kept;
  assert.deepEqual([after_calls, in_use, files], [["c1", "c2"], false, 1_000]);
});

describe("a workspace that never rests", () => {
  /** The test waits for timers that keep no process alive. */
  let alive: NodeJS.Timeout;
  beforeEach(() => {
    alive = setInterval(() => {}, 1_000);
  });
  afterEach(() => clearInterval(alive));

  test("is kept all the same, between two calls that follow each other at once", async () => {
    const a = host("a", { after_ms: 1_000_000, every_ms: 50 });
    await a.openSandbox();
    const kept = a.kept();
    a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
    const { after_calls, in_use } = await kept;
    assert.deepEqual([after_calls, in_use], [["c1"], true]);
  });

  test("is kept while a long call runs, and that call is not said to be in it", async () => {
    const a = host("a", { every_ms: 50 });
    await a.openSandbox();
    a.call("c1", () => {});
    const ended = a.checkpoints.began(sandbox_id, session_id);
    writeFileSync(join(a.workspace, "file"), "half");
    const { after_calls, in_use } = await a.kept();
    assert.deepEqual([after_calls, in_use], [["c1"], true]);
    const next = a.kept();
    writeFileSync(join(a.workspace, "file"), "whole");
    ended("c2");
    assert.deepEqual((await next).after_calls, ["c2"]);
    await a.rested();
  });

  test("is kept for the first time sooner than later", async () => {
    const a = host("a", { after_ms: 1_000_000, every_ms: 1_000_000, first_ms: 50 });
    await a.openSandbox();
    // A sandbox runs before its first call begins.
    a.checkpoints.lives(sandbox_id, session_id);
    const kept = a.kept();
    a.call("c1", () => writeFileSync(join(a.workspace, "file"), "text"));
    assert.deepEqual((await kept).after_calls, ["c1"]);
    // Were it taken as the first again, it would come before this one.
    const other = await a.other("sbx_other");
    const next = a.kept();
    a.call("c2", () => {});
    other.call("c3");
    assert.deepEqual((await next).after_calls, ["c3"]);
    assert.equal(a.made.length, 2);
  });

  test("is not given up for a call that begins, when it is overdue", async () => {
    const a = host("a", { after_ms: 1_000_000, every_ms: 50 });
    await a.openSandbox();
    fillWith(a.workspace, 1_000);
    let done = false;
    const kept = a.kept().finally(() => {
      done = true;
    });
    a.call("c1", () => {});
    const batches = new Set<string>();
    for (; !done; await delay(1)) {
      for (const name of beingMade()) batches.add(name);
      if (batches.size > 0) a.call("c2", () => {});
    }
    assert.deepEqual([(await kept).after_calls, batches.size], [["c1"], 1]);
  });

  test("is kept as resting soon after, when the call that went on ends meanwhile", async () => {
    const a = host("a", { every_ms: 50 });
    await a.openSandbox();
    fillWith(a.workspace, 1_000);
    const kept = a.kept();
    const ended = a.checkpoints.began(sandbox_id, session_id);
    while (beingMade().length === 0) await delay(1);
    ended("c1");
    assert.deepEqual((await kept).after_calls, []);
    const { after_calls, in_use } = await a.kept();
    assert.deepEqual([after_calls, in_use], [["c1"], false]);
  });

  test("is begun anew when it became overdue and was then given up", async () => {
    const a = host("a", { every_ms: 50, retry_ms: 1_000_000 });
    await a.openSandbox();
    fillWith(a.workspace, 1_000);
    const kept = a.kept();
    a.call("c1", () => {});
    while (beingMade().length === 0) await delay(1);
    await delay(60);
    a.checkpoints.began(sandbox_id, session_id);
    assert.deepEqual((await kept).after_calls, ["c1"]);
  });

  test("is kept while something in its sandbox goes on without a call", async () => {
    const a = host("a", { after_ms: 1_000_000, every_ms: 500 });
    await a.openSandbox();
    a.checkpoints.lives(sandbox_id, session_id);
    for (const text of ["1", "2"]) {
      const kept = a.kept();
      writeFileSync(join(a.workspace, "file"), text);
      assert.equal((await kept).in_use, true);
    }
    a.checkpoints.ceased(sandbox_id, session_id);
    await a.rested();
  });
});
