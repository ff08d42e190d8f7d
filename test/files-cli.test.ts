import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { droverOf } from "./harness/drover.ts";
import { testKey } from "./harness/headers.ts";
import { startTestServer } from "./harness/server.ts";

const api = await startTestServer();
const drover = droverOf({ url: api.url, key: testKey });
after(async () => {
  drover.close();
  await api.close();
});
const at = (path: string) => join(drover.folder, path);

test("files are uploaded, listed, shown and deleted, and those of sessions saved", async () => {
  writeFileSync(at("data.csv"), "a,b\n");
  const id = (await drover.done(["files", "upload", "data.csv"])).trim();
  assert.match(
    await drover.done(["files", "ls"]),
    new RegExp(`^id .*\n${id} +data\\.csv +4 B +text/csv +\\S+.*\n$`),
  );
  assert.match(await drover.done(["files", "show", id]), /\nsize +4 B\n/);
  const uploaded = await drover(["files", "download", id]);
  assert.deepEqual([uploaded.code, uploaded.out], [1, ""]);

  const task = "bash echo 1 > /mnt/session/outputs/data.csv\nthen\nsay done";
  await drover.done(["run", "--json", task]);
  const [made] = await drover.json(["files", "ls", "--session", "last", "--json"]);
  assert.equal(made.path, "data.csv");
  const there = await drover(["files", "download", made.id]);
  assert.equal(there.code, 1);
  assert.match(there.err, /data\.csv is there already: --force replaces it\n$/);
  assert.equal(readFileSync(at("data.csv"), "utf8"), "a,b\n");
  await drover.done(["files", "download", made.id, "--force"]);
  assert.equal(readFileSync(at("data.csv"), "utf8"), "1\n");
  assert.equal(await drover.done(["files", "download", made.id, "-o", "-"]), "1\n");
  await drover.done(["files", "delete", id]);
  assert.equal((await drover(["files", "show", id])).code, 3);
});

const tellMemory = 'process.on("exit", () => console.error(process.resourceUsage().maxRSS))';

test("nothing is uploaded where one of the files is none, and large ones are not held in memory", async () => {
  writeFileSync(at("one.txt"), "1");
  mkdirSync(at("many"));
  for (const [path, err] of [
    ["nowhere", "nowhere is not there\n"],
    ["many", "many is a folder: name its files\n"],
  ] as const) {
    const ended = await drover(["files", "upload", "one.txt", path]);
    assert.deepEqual([ended.code, ended.out, ended.err], [2, "", err]);
  }
  writeFileSync(at("empty"), "");
  assert.equal((await drover.json(["files", "upload", "empty", "--json"])).size_bytes, 0);
  truncateSync(at("empty"), 300 << 20);
  const month = ["--expires-in", String(30 * 86_400)];
  const { code, out, err } = await drover(["files", "upload", "empty", "--json", ...month], {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellMemory)}` },
  });
  assert.equal(code, 0, err);
  assert.ok(Number(err) * 1_024 < 1_000 << 20, `${err} KiB`);
  const { expires_at, created_at } = JSON.parse(out);
  assert.equal(Math.round((Date.parse(expires_at) - Date.parse(created_at)) / 86_400_000), 30);
});

test("a folder is pushed as a skill, then as its next version", async () => {
  mkdirSync(at("greet/scripts"), { recursive: true });
  writeFileSync(at("greet/SKILL.md"), "---\nname: greet\ndescription: Greets.\n---\nRun it.\n");
  writeFileSync(at("greet/scripts/run"), "echo hi\n");
  chmodSync(at("greet/scripts/run"), 0o755);
  const first = await drover.done(["skills", "push", "greet", "--name", "Greetings"]);
  const [, id = ""] = /^(skill_\w+) is made: skillver_\w+\n$/.exec(first) ?? [];
  const second = await drover.json(["skills", "push", "greet", "--json"]);
  assert.deepEqual([second.skill_id, second.is_new], [id, false]);
  assert.match(
    await drover.done(["skills", "ls"]),
    new RegExp(`\n${id} +Greetings +custom +${second.version_id} `),
  );
  assert.equal((await drover.json(["skills", "versions", "Greetings", "--json"])).length, 2);
  writeFileSync(at("greet/large"), "");
  truncateSync(at("greet/large"), 31 << 20);
  const large = await drover(["skills", "push", "greet"]);
  assert.equal(large.code, 2);
  assert.match(large.err, /greet holds more than a skill may: 1000 files, and 30 MB\n$/);
  const none = await drover(["skills", "push", "."]);
  assert.deepEqual([none.code, none.err], [2, ". has no SKILL.md\n"]);
  await drover.done(["skills", "delete", "Greetings"]);
  assert.deepEqual(await drover.json(["skills", "ls", "--json"]), []);
});

test("a secret comes from standard input, and is never shown", async () => {
  const vault = (await drover.done(["vaults", "create", "Alice"])).trim();
  const unsaid = await drover(["vaults", "set", "Alice", "STRIPE_KEY"], { input: "sk_live_1" });
  assert.deepEqual([unsaid.code, unsaid.out], [2, ""]);
  assert.match(unsaid.err, /^where may STRIPE_KEY be sent\? --host <host> for each host, or --any-host\n$/);
  const set = ["vaults", "set", "Alice", "STRIPE_KEY"];
  const hosts = ["--host", "api.stripe.com", "--host", "files.stripe.com"];
  assert.match(await drover.done([...set, ...hosts], { input: "sk_live_1\n" }), /^vcrd_\w+ is in vlt_\w+\n$/);
  assert.match(await drover.done(set, { input: "sk_live_2\n" }), /^vcrd_\w+ is changed in vlt_\w+\n$/);
  const shown = await drover.done(["vaults", "show", vault]);
  assert.match(shown, /environment_variable +STRIPE_KEY +api\.stripe\.com, files\.stripe\.com\n/);
  assert.ok(!shown.includes("sk_live"));
  const empty = await drover(set, { input: "" });
  assert.deepEqual([empty.code, empty.err], [2, "STRIPE_KEY: nothing was given\n"]);
  const token = await drover.done(["vaults", "set", vault, "https://mcp.example.com/mcp"], {
    input: "t0ken",
  });
  assert.match(token, / is in /);
});

test("a secret that was given as an argument all the same is not repeated", async () => {
  const vault = (await drover.done(["vaults", "create", "Carol"])).trim();
  for (const args of [
    ["vaults", "set", vault, "KEY", "sk_live_1"],
    ["vaults", "set", vault, "KEY=sk_live_1", "--any-host"],
    ["vaults", "set", vault, "sk_live_1-2"],
    ["profiles", "set", "work", "sk_live_1", "--base-url", api.url],
  ]) {
    const { code, out, err } = await drover(args, { input: "secret" });
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /secret .*is asked for.*\n$/i);
    assert.doesNotMatch(err, /sk_live/);
  }
  assert.match((await drover(["vaults", "show", vault])).out, /it holds no credential/);
});

test("a secret is a line, and no endless input", async () => {
  const vault = (await drover.done(["vaults", "create", "Dora"])).trim();
  const set = ["vaults", "set", vault, "KEY", "--any-host"];
  const wrong: [input: string, err: RegExp][] = [
    ["one\ntwo\n", /^KEY: must be a single line\n$/],
    ["\r\n", /^KEY: nothing was given\n$/],
    ["x".repeat(1 << 20), /^KEY: is too long for a secret\n$/],
  ];
  for (const [input, err] of wrong) {
    const ended = await drover(set, { input });
    assert.deepEqual([ended.code, ended.out], [2, ""]);
    assert.match(ended.err, err);
  }
  assert.match(await drover.done(set, { input: "one\r\n" }), / is in /);
});
