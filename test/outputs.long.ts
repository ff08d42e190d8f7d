import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { limits } from "../src/limits.ts";
import { freePort } from "./harness/free-port.ts";
import { filesOf, filesWhen, namesOf } from "./harness/outputs.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { type Facts, newSession, prepare, resultsIn, turn } from "./harness/session.ts";

let processes: Processes;
let hands: Running;
let server: Serve;
let facts: Facts;
before(async () => {
  processes = await startProcesses();
  hands = await processes.hands();
  server = await processes.serve(await freePort());
  facts = await prepare(server.client);
});
after(() => processes.close());

/** Less than half of what passes: a process that held the file would need all of it, and more as text. */
const grown_bytes_max = 200 << 20;

/** The most memory that a process has had. */
const peakOf = ({ pid }: Running) =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

const begin = async () => (await newSession(server.client, facts)).id;
const run = async (id: string, command: string) =>
  resultsIn(await turn(server.client, id, `bash ${command}`));

test("500 MB in memory that does not grow with them", async () => {
  const id = await begin();
  await run(id, "echo 1 > /mnt/session/outputs/first");
  await filesWhen(server.client, id, ({ length }) => length === 1);
  const before = [hands, server].map(peakOf);
  const make = `yes 0123456789abcdef | head -c ${limits.file_bytes_max} > /mnt/session/outputs/large.bin`;
  const [said] = await run(id, `${make}; sha256sum < /mnt/session/outputs/large.bin`);
  const files = await filesWhen(server.client, id, ({ length }) => length === 2);
  const large = files.find(({ filename }) => filename === "large.bin");
  assert.equal(large?.size_bytes, limits.file_bytes_max);
  const hash = createHash("sha256");
  for await (const chunk of (await server.client.beta.files.download(large.id)).body ?? [])
    hash.update(chunk);
  assert.equal(`${hash.digest("hex")}  -`, said);
  const grown = [hands, server].map((each, n) => peakOf(each) - (before[n] ?? 0));
  for (const bytes of grown)
    assert.ok(bytes < grown_bytes_max, `grown by ${grown.map((each) => each >> 20)} MiB`);
});

test("a folder that is made to harm its host harms no other session", async () => {
  const [hostile, other] = [await begin(), await begin()];
  const make = [
    "cd /mnt/session/outputs",
    "mkdir -p many deep",
    "(cd many; seq 1 20000 | xargs touch)",
    "(cd deep; for n in $(seq 1 60); do mkdir $n; cd $n; done; echo 1 > file)",
    "truncate -s 3G sparse",
    "mkfifo pipe",
    "echo 1 > a.txt",
    "(while sleep 0.01; do echo line; done > growing) >/dev/null 2>&1 & (while :; do ln -sf /etc/passwd x; mv -f x y; done) >/dev/null 2>&1 & sleep 1",
  ];
  await run(hostile, make.join("; "));
  await run(other, "echo 1 > /mnt/session/outputs/other.txt");
  await filesWhen(server.client, other, ({ length }) => length === 1);
  await filesWhen(server.client, hostile, (files) => namesOf(files).includes("a.txt"));
  const files = await filesOf(server.client, hostile);
  assert.ok(!files.some(({ filename }) => ["file", "sparse", "pipe", "x", "y"].includes(filename)));
  assert.deepEqual(await run(other, "echo alive"), ["alive"]);
  await server.client.beta.sessions.delete(hostile);
});
