import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync, readlinkSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
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
  fresh_shell: false,
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

test("a last line cut anywhere is as if never written, and the next one is whole", async () => {
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

test("damage in the middle is not passed over", async () => {
  const path = join(folder.path, "damaged.jsonl");
  appendFileSync(path, '{"type":"epoch","epoch":1}\n\0\0\0\n{"type":"epoch","epoch":2}\n');
  await assert.rejects(openJournal(path, options), /damaged at byte 27/);
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
  await again.clear();
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

test("many sessions share few open files", async () => {
  const journals = await openJournals(join(folder.path, "many"), { ...options, open_max: 2 });
  const names = Array.from({ length: 20 }, (_, n) => `sesn_${n}`);
  for (let epoch = 1; epoch <= 3; epoch++) {
    await Promise.all(names.map((name) => journals.use(name, (journal) => journal.raiseEpoch(epoch))));
  }
  const epochs = await Promise.all(
    names.map((name) => journals.use(name, async (journal) => journal.epoch())),
  );
  assert.deepEqual(epochs, Array(20).fill(3));
  const open = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).includes("/many/"));
  assert.ok(open.length <= 6, `${open.length} open`);
  await journals.close();
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
