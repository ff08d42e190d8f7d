import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { openJournal } from "./journal.ts";
import { openJournals } from "./journals.ts";
import { type TestFolder, testFolder } from "./testing.ts";
import type { ExecuteResult } from "./wire.ts";

let folder: TestFolder;
before(() => {
  folder = testFolder();
});
after(() => folder.remove());

const options = { calls_kept: 4 };
const call = (call_id: string) => ({ sandbox_id: "sbx_a", call_id });
const result = (text: string): ExecuteResult => ({
  status: "finished",
  exit_code: 0,
  timed_out: false,
  cancelled: false,
  output_base64: Buffer.from(text).toString("base64"),
  stderr_base64: "",
  omitted_bytes: 0,
  earlier_base64: "",
  earlier_omitted_bytes: 0,
  kept: null,
  fresh_shell: false,
  restored: null,
  network: null,
});

test("remembers over a restart what was started, what finished and the highest epoch", async () => {
  const path = join(folder.path, "restart.jsonl");
  const first = await openJournal(path, options);
  await Promise.all([first.raiseEpoch(3), first.raiseEpoch(7), first.raiseEpoch(5)]);
  await first.started(call("done"), { shell: true });
  await first.finished(call("done"), result("ü"));
  await first.started(call("open"), { shell: false });
  await first.close();

  const second = await openJournal(path, options);
  assert.equal(second.epoch(), 7);
  assert.equal(second.usedShell("sbx_a"), true);
  assert.equal(second.usedShell("sbx_b"), false);
  assert.deepEqual(await second.find(call("done")), { state: "finished", result: result("ü") });
  assert.deepEqual(await second.find(call("open")), { state: "lost" });
  assert.deepEqual(await second.find(call("other")), { state: "never_seen" });
  assert.deepEqual(await second.find({ sandbox_id: "sbx_b", call_id: "done" }), { state: "never_seen" });
  await second.close();
});

test("a last line cut anywhere holds no result, and the next one is whole", async () => {
  const path = join(folder.path, "torn.jsonl");
  const first = await openJournal(path, options);
  await first.started(call("a"), { shell: false });
  const before = statSync(path).size;
  await first.finished(call("a"), result("a"));
  await first.close();
  const whole = readFileSync(path);
  for (const cut of [before + 1, before + 20, whole.length - 1]) {
    truncateSync(path, 0);
    appendFileSync(path, whole.subarray(0, cut));
    const torn = await openJournal(path, options);
    assert.deepEqual(await torn.find(call("a")), { state: "lost" });
    await torn.finished(call("b"), result("b"));
    await torn.close();
    const again = await openJournal(path, options);
    assert.deepEqual(await again.find(call("b")), { state: "finished", result: result("b") });
    await again.close();
  }
});

test("a last line that has lost no more than its end still says which call was started", async () => {
  const path = join(folder.path, "endless.jsonl");
  const first = await openJournal(path, options);
  await first.started(call("a"), { shell: false });
  await first.close();
  const whole = readFileSync(path);
  for (const [lost, state] of [
    [1, "lost"],
    [2, "lost"],
    [4, "never_seen"],
  ] as const) {
    writeFileSync(path, whole.subarray(0, whole.length - lost));
    for (const id of ["b", "c"]) {
      const journal = await openJournal(path, options);
      assert.deepEqual(await journal.find(call("a")), { state });
      await journal.finished(call(id), result(id));
      assert.deepEqual(await journal.find(call(id)), { state: "finished", result: result(id) });
      await journal.close();
    }
  }
});

test("where two lines have become one, every call that they name was started", async () => {
  const path = join(folder.path, "joined.jsonl");
  const first = await openJournal(path, options);
  for (const id of ["a", "b", "c"]) await first.started(call(id), { shell: false });
  await first.close();
  const [startedA = "", startedB, startedC] = readFileSync(path, "utf8").split("\n");
  writeFileSync(path, `${startedA.replace("sandbox_id", "s\0")}\0${startedB}\0${startedC}\n`);
  const journal = await openJournal(path, options);
  for (const id of ["a", "b", "c"]) assert.deepEqual(await journal.find(call(id)), { state: "lost" });
  await journal.close();
});

test("damage costs the results it hit, and nothing else", async () => {
  const path = join(folder.path, "damaged.jsonl");
  const first = await openJournal(path, options);
  await first.raiseEpoch(4);
  for (const id of ["a", "b", "c"]) {
    await first.started(call(id), { shell: false });
    await first.finished(call(id), result(id));
  }
  await first.close();
  const lines = readFileSync(path, "utf8").split("\n");
  const [epoch, startedA, , startedB = "", , startedC, finishedC] = lines;
  const damaged = [epoch, "\0\0\0", startedA, startedB.slice(0, -1), startedC, finishedC, "\0", ""];
  writeFileSync(path, damaged.join("\n"));

  for (const rewritten of [false, true]) {
    const journal = await openJournal(path, options);
    assert.equal(journal.epoch(), 4);
    assert.deepEqual(await journal.find(call("a")), { state: "lost" });
    assert.deepEqual(await journal.find(call("b")), { state: "lost" });
    if (!rewritten)
      assert.deepEqual(await journal.find(call("c")), { state: "finished", result: result("c") });
    await journal.clear("sbx_a");
    assert.deepEqual(await journal.find(call("a")), { state: "lost" });
    await journal.finished(call("d"), result("d"));
    assert.deepEqual(await journal.find(call("d")), { state: "finished", result: result("d") });
    await journal.close();
  }
});

test("drops what is of one sandbox, and nothing of a session's other ones", async () => {
  const path = join(folder.path, "two.jsonl");
  const journal = await openJournal(path, options);
  const other = { sandbox_id: "sbx_a-1", call_id: "a" };
  for (const each of [call("a"), other]) {
    await journal.started(each, { shell: true });
    await journal.finished(each, result("a"));
  }
  await journal.clear("sbx_a");
  await journal.close();
  const again = await openJournal(path, options);
  assert.deepEqual(await again.find(call("a")), { state: "never_seen" });
  assert.deepEqual(await again.find(other), { state: "finished", result: result("a") });
  assert.deepEqual([again.usedShell("sbx_a"), again.usedShell("sbx_a-1")], [false, true]);
  await again.close();
});

test("a result that is damaged while the journal is open is lost", async () => {
  const path = join(folder.path, "eaten.jsonl");
  const journal = await openJournal(path, options);
  await journal.started(call("a"), { shell: false });
  await journal.finished(call("a"), result("a"));
  truncateSync(path, statSync(path).size - 5);
  assert.deepEqual(await journal.find(call("a")), { state: "lost" });
  await journal.close();
});

test("a rewrite that fails leaves the journal as it was, and open", async () => {
  const path = join(folder.path, "stuck.jsonl");
  const journal = await openJournal(path, options);
  mkdirSync(`${path}.new/in-the-way`, { recursive: true });
  for (let n = 0; n < 20; n++) await journal.finished(call(String(n)), result(String(n)));
  await assert.rejects(journal.clear("sbx_a"));
  assert.deepEqual(await journal.find(call("0")), { state: "finished", result: result("0") });
  rmSync(`${path}.new`, { recursive: true });
  for (let n = 20; n < 40; n++) await journal.finished(call(String(n)), result(String(n)));
  assert.deepEqual(await journal.find(call("0")), { state: "never_seen" });
  assert.deepEqual(await journal.find(call("39")), { state: "finished", result: result("39") });
  await journal.close();
});

test("what does not fit on the disk is refused, and what comes next is whole", async () => {
  const path = join(folder.path, "full.jsonl");
  const program = `
    import { openJournal } from ${JSON.stringify(new URL("./journal.ts", import.meta.url).href)};
    process.on("SIGXFSZ", () => {});
    const journal = await openJournal(${JSON.stringify(path)}, { calls_kept: 4 });
    const call = (call_id) => ({ sandbox_id: "sbx_a", call_id });
    await journal.started(call("a"), { shell: false });
    const reason = "x".repeat(20_000);
    const refusal = await journal.finished(call("a"), { status: "lost", reason }).then(() => "", (e) => e.code);
    await journal.started(call("b"), { shell: false });
    console.log(refusal);
  `;
  const limited = ["-c", 'ulimit -f 8; exec "$@"', "bash", process.execPath, "--input-type=module", "-e"];
  // What Node would write of compiled programs does not fit either.
  const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" };
  const { stdout } = await promisify(execFile)("bash", [...limited, program], { env });
  assert.equal(stdout.trim(), "EFBIG");
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).call_id),
    ["a", "b"],
  );
});

test("an opening that fails leaves no file open", async () => {
  const path = join(folder.path, "few.jsonl");
  const program = `
    import { closeSync, openSync } from "node:fs";
    import { openJournal } from ${JSON.stringify(new URL("./journal.ts", import.meta.url).href)};
    const open = [];
    try {
      for (;;) open.push(openSync("/dev/null"));
    } catch {}
    closeSync(open.pop());
    const refusal = await openJournal(${JSON.stringify(path)}, { calls_kept: 4 }).then(() => "", (e) => e.code);
    openSync("/dev/null");
    console.log(refusal);
  `;
  const limited = ["-c", 'ulimit -n 100; exec "$@"', "bash", process.execPath, "--input-type=module", "-e"];
  const { stdout } = await promisify(execFile)("bash", [...limited, program]);
  assert.equal(stdout.trim(), "EMFILE");
});

test("forgets old calls but neither the epoch nor that a shell was used", async () => {
  const path = join(folder.path, "bounded.jsonl");
  const journal = await openJournal(path, options);
  await journal.raiseEpoch(9);
  await journal.started(call("0"), { shell: true });
  const text = "x".repeat(1_000);
  for (let n = 0; n < 100; n++) await journal.finished(call(String(n)), result(text + n));
  assert.ok(statSync(path).size < 20_000);
  await journal.close();
  const again = await openJournal(path, options);
  assert.equal(again.epoch(), 9);
  assert.equal(again.usedShell("sbx_a"), true);
  assert.deepEqual(await again.find(call("99")), { state: "finished", result: result(`${text}99`) });
  assert.deepEqual(await again.find(call("0")), { state: "never_seen" });
  await again.clear("sbx_a");
  assert.equal(again.epoch(), 9);
  assert.deepEqual(await again.find(call("99")), { state: "never_seen" });
  await again.close();
});

test("never forgets a call that has begun and not ended, however many came after", async () => {
  const path = join(folder.path, "long.jsonl");
  const journal = await openJournal(path, options);
  await journal.started(call("long"), { shell: true });
  for (let i = 0; i < 30; i += 1) {
    await journal.started(call(`short ${i}`), { shell: false });
    await journal.finished(call(`short ${i}`), result("x"));
  }
  await journal.close();
  const again = await openJournal(path, options);
  assert.equal((await again.find(call("long"))).state, "lost");
  assert.equal((await again.find(call("short 0"))).state, "never_seen");
  await again.close();
});

test("drops the journals of sessions long unused, but none with a call that has begun and not ended", async () => {
  const path = join(folder.path, "unused");
  const open = () => openJournals(path, { ...options, open_max: 4 });
  const first = await open();
  for (const id of ["open", "ended", "recent"]) {
    await first.use(id, async (journal) => {
      await journal.raiseEpoch(3);
      await journal.started(call("a"), { shell: false });
      if (id !== "open") await journal.finished(call("a"), result("a"));
    });
  }
  await first.close();
  const age = (id: string, days: number) => {
    const seconds = Date.now() / 1_000 - days * 86_400;
    utimesSync(join(path, `${id}.jsonl`), seconds, seconds);
  };
  mkdirSync(join(path, "strange"));
  utimesSync(join(path, "strange"), 0, 0);

  // As after a long time in which the host was off.
  age("open", 75);
  age("ended", 75);
  age("recent", 60);
  await (await open()).close();
  assert.deepEqual(readdirSync(path).sort(), ["ended.jsonl", "open.jsonl", "recent.jsonl", "strange"]);

  age("ended", 91);
  age("open", 91);
  const again = await open();
  assert.deepEqual(readdirSync(path).sort(), ["open.jsonl", "recent.jsonl", "strange"]);
  await again.use("open", async (journal) => {
    assert.equal(journal.epoch(), 3);
    assert.deepEqual(await journal.find(call("a")), { state: "lost" });
  });
  await again.close();
});

test("many sessions share few open files", { timeout: 20_000 }, async () => {
  const journals = await openJournals(join(folder.path, "many"), { ...options, open_max: 2 });
  const names = Array.from({ length: 20 }, (_, n) => `sesn_${n}`);
  for (let epoch = 1; epoch <= 3; epoch++) {
    await Promise.all(names.map((name) => journals.use(name, (journal) => journal.raiseEpoch(epoch))));
  }
  const epochs = await Promise.all(
    names.map((name) => journals.use(name, async (journal) => journal.epoch())),
  );
  assert.deepEqual(epochs, Array(20).fill(3));
  // They are closed behind the answer.
  const openNow = () => readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).includes("/many/")).length;
  while (openNow() > 2) await pause(5);
  await journals.close();
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
