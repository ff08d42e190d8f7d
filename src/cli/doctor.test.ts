import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { startFakeS3 } from "../../test/fakes/s3.ts";
import { longTest } from "../../test/harness/long.ts";
import { readConfig } from "../config.ts";
import { type TestDatabase, testDatabase } from "../db/testing.ts";
import { vaultRows } from "../resources/session-pass/testing.ts";
import { freshMasterKey, masterKeyOf } from "../vault/master-key.ts";
import { createSeal } from "../vault/seal.ts";
import { isRoot, thisMachine } from "./machine.ts";

interface Finding {
  name: string;
  level: "ok" | "warn" | "fail";
  text: string;
}

const main = join(import.meta.dirname, "../main.ts");
const taken = createServer();
let folder: string;
let db: TestDatabase;

before(async () => {
  db = await testDatabase({ migrate: false });
  folder = mkdtempSync(join(tmpdir(), "drover-doctor-"));
  chmodSync(folder, 0o711);
  await once(taken.listen(0, "127.0.0.1"), "listening");
});
after(async () => {
  await db.close();
  taken.close();
  rmSync(folder, { recursive: true, force: true });
});

async function doctor(settings: NodeJS.ProcessEnv, ...options: string[]) {
  const { PATH, TMPDIR, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main, "doctor", ...options], {
    env: { PATH, TMPDIR, NODE_COMPILE_CACHE, DROVER_DATA_DIR: join(folder, "data"), ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { said, code };
}

/** With the settings of a machine that has none. */
let unset: ReturnType<typeof doctor> | null = null;
function unsetDoctor() {
  unset ??= doctor({});
  return unset;
}

test("a machine in order passes, and a port that is taken is only a warning", async () => {
  const { port } = taken.address() as AddressInfo;
  const { said, code } = await doctor({ DROVER_PORT: String(port) }, "--json");
  const findings = JSON.parse(said) as Finding[];
  assert.deepEqual(
    findings.map(({ name }) => name),
    ["node", "sandbox", "limits", "network", "database", "data", "git", "port", "models", "web", "search"],
  );
  assert.ok(!findings.some(({ level }) => level === "fail"), said);
  assert.equal(findings.find(({ name }) => name === "port")?.level, "warn");
  assert.equal(code, 0);
});

longTest("whether egress answers is said where sandboxes run", async () => {
  const own = { DROVER_DATA_DIR: join(folder, "data"), XDG_RUNTIME_DIR: folder };
  const { runtime_dir } = readConfig(own, thisMachine());
  const sockets = { hands: createServer(), egress: createServer() };
  assert.doesNotMatch((await doctor(own)).said, /egress {4}/);
  mkdirSync(runtime_dir, { recursive: true });
  await once(sockets.hands.listen(join(runtime_dir, "hands.sock")), "listening");
  assert.match((await doctor(own)).said, /warn {2}egress {4}no drover egress answers.*start it beside/);
  await once(sockets.egress.listen(join(runtime_dir, "egress.sock")), "listening");
  assert.match((await doctor(own)).said, /ok {4}egress {4}answers at .*egress\.sock/);
  for (const name of ["hands.sock", "egress.sock"]) chmodSync(join(runtime_dir, name), 0o666);
  const { said } = await doctor({
    ...own,
    DROVER_LOG: "trace",
    DROVER_EGRESS_PROXY: "http://sandy:secret@proxy.corp:3128",
  });
  assert.match(said, /egress\.sock; it goes through http:\/\/\*\*\*@proxy\.corp:3128/);
  assert.match(said, /warn {2}sockets {3}others than hands may connect to .*egress\.sock: chmod 600/);
  assert.match(said, /warn {2}log {7}DROVER_LOG is trace/);
  if (isRoot()) assert.match(said, /warn {2}egress {4}it runs as root/);
  assert.doesNotMatch(said, /sandy|secret/);
  for (const socket of Object.values(sockets)) socket.close();
});

longTest("the search provider is named, and that there is none is said", async () => {
  const { said } = await unsetDoctor();
  assert.match(said, /ok {4}search {4}none, so web_search is not offered to agents; set DROVER_SEARCH/);
  const given = await doctor({ DROVER_SEARCH: "searxng", DROVER_SEARCH_URL: "http://127.0.0.1:8080/" });
  assert.match(given.said, /ok {4}search {4}through searxng at http:\/\/127\.0\.0\.1:8080\//);
  const vendor = await doctor({ DROVER_SEARCH: "anthropic", DROVER_ANTHROPIC_API_KEY: "k" });
  assert.match(vendor.said, /ok {4}search {4}by the vendor of anthropic\/claude-haiku-5-5/);
  const unpriced = await doctor({ DROVER_SEARCH_MODEL: "openai/x", DROVER_OPENAI_API_KEY: "k" });
  assert.match(unpriced.said, /warn {2}search {4}by the vendor of openai\/x.* no list price.*DROVER_PRICES/);
});

test("a data directory that cannot be used fails, and names the folder in the way", async () => {
  const closed = join(folder, "closed");
  mkdirSync(closed, { mode: isRoot() ? 0o700 : 0o500 });
  const { said, code } = await doctor({ DROVER_DATA_DIR: join(closed, "deep/data") });
  assert.match(said, new RegExp(`fail {2}data .*${closed}\\b.*set DROVER_DATA_DIR`));
  assert.equal(code, 1);
});

longTest("a storage that is shared is looked at, and that a host has none is said", async () => {
  const shared = join(folder, "shared");
  const missing = await doctor({ DROVER_STORAGE: shared });
  assert.match(missing.said, new RegExp(`warn {2}storage {3}${shared} is not there: mount it`));
  mkdirSync(shared);
  const fresh = await doctor({ DROVER_STORAGE: shared });
  assert.match(fresh.said, new RegExp(`ok {4}storage {3}${shared}, in which nothing is kept yet`));
  const files = { DROVER_HANDS_CA: "/c/ca.crt", DROVER_HANDS_CERT: "/c/h.crt", DROVER_HANDS_KEY: "/c/h.key" };
  const host = await doctor(files);
  assert.match(host.said, /warn {2}storage {3}.*no other host finds them: set DROVER_STORAGE/);
});

longTest("where files lie is looked at, unless that is the data directory", async () => {
  assert.doesNotMatch((await unsetDoctor()).said, / files /);
  const shared = join(folder, "files");
  const missing = await doctor({ DROVER_FILES: shared });
  assert.match(missing.said, new RegExp(`warn {2}files {5}${shared} is not there: mount it`));
  mkdirSync(shared);
  const fresh = await doctor({ DROVER_FILES: shared });
  assert.match(fresh.said, new RegExp(`ok {4}files {5}${shared}, in which nothing is kept yet`));
  const s3 = await startFakeS3();
  const { bucket, endpoint, region, credentials } = s3.settings;
  const env = {
    DROVER_FILES: `s3://${bucket}/x?endpoint=${endpoint}&region=${region}`,
    AWS_ACCESS_KEY_ID: credentials.access_key_id,
    AWS_SECRET_ACCESS_KEY: credentials.secret_access_key,
    AWS_SESSION_TOKEN: credentials.session_token ?? "",
  };
  assert.match((await doctor(env)).said, /ok {4}files {5}s3:\/\/drover-test\/x\/, in which nothing/);
  const wrong = await doctor({ ...env, AWS_SECRET_ACCESS_KEY: "wrong" });
  assert.match(wrong.said, /fail {2}files {5}.*cannot be read: S3: GET store-id: 403 SignatureDoesNotMatch/);
  assert.doesNotMatch(wrong.said, /secret/);
  await s3.close();
});

test("a master key that cannot be used is said, and none is ever shown", async () => {
  const own = { DROVER_DATA_DIR: join(folder, "with-key") };
  assert.doesNotMatch((await doctor(own)).said, / secrets /);
  const file = join(folder, "master-key");
  const key = freshMasterKey();
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  const good = await doctor({ DROVER_MASTER_KEY_FILE: file });
  assert.match(good.said, new RegExp(`ok {4}secrets {3}sealed under the master key [0-9a-f]{16} of ${file}`));
  chmodSync(file, 0o644);
  assert.match((await doctor({ DROVER_MASTER_KEY_FILE: file })).said, /warn {2}secrets .*chmod 600/);
  const wrong = await doctor({ DROVER_MASTER_KEY: key.slice(2) });
  assert.match(wrong.said, /fail {2}secrets {3}DROVER_MASTER_KEY holds no usable master key: each line/);
  assert.equal(wrong.code, 1);
  for (const { said } of [good, wrong]) assert.ok(!said.includes(key.slice(2)));
});

test("what is sealed under older master keys is counted, and what none can open fails", async (t) => {
  const db = await testDatabase();
  t.after(() => db.close());
  const [old, fresh] = [freshMasterKey(), freshMasterKey()];
  const rows = vaultRows(db, createSeal(masterKeyOf(old)));
  const vault = await rows.vault();
  for (const name of ["A", "B"]) await rows.variable(vault, { name, value: "v" });
  const secrets = async (...keys: string[]) => {
    const { said, code } = await doctor({ DATABASE_URL: db.url, DROVER_MASTER_KEY: keys.join(" ") });
    return { code, line: said.split("\n").find((line) => line.includes("  secrets ")) };
  };
  assert.match(
    (await secrets(old)).line ?? "",
    /^ok .* sealed under the master key \w+ of DROVER_MASTER_KEY$/,
  );
  assert.match(
    (await secrets(fresh, old)).line ?? "",
    /^ok .*; 2 still under older ones: run drover keys rotate$/,
  );
  const lost = await secrets(fresh);
  assert.equal(lost.code, 1);
  assert.match(
    lost.line ?? "",
    /^fail .* 2 secrets are sealed under a master key that is not there \(\w+\): /,
  );
});

test("git, by which repositories are fetched, is looked for", async () => {
  assert.match(
    (await unsetDoctor()).said,
    /ok {4}git {7}git version .*; repositories come from https:\/\/github\.com/,
  );
  const bin = join(folder, "old-git");
  mkdirSync(bin);
  writeFileSync(join(bin, "git"), "#!/bin/sh\necho git version 2.9.5\n", { mode: 0o755 });
  assert.match((await doctor({ PATH: `${bin}:${process.env.PATH}` })).said, /warn {2}git .* is too old/);
});

test("a database that was given is asked for its version", async () => {
  const { said, code } = await doctor({ DATABASE_URL: db.url });
  assert.match(said, /ok {4}database {2}PostgreSQL \d+\.\d+ at DATABASE_URL/);
  assert.equal(code, 0);
});

test("a database that was given and does not answer fails, and its password stays unsaid", async () => {
  const { port } = taken.address() as AddressInfo;
  for (const address of ["localhost:1", `127.0.0.1:${port}`, "["]) {
    const { said, code } = await doctor({ DATABASE_URL: `postgresql://drover:secret@${address}/drover` });
    assert.match(said, /fail {2}database {2}DATABASE_URL cannot be used \(.+\): .*unset it/);
    assert.doesNotMatch(said, /secret/);
    assert.equal(code, 1);
  }
});
