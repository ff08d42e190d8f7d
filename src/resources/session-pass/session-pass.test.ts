import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { after, test } from "node:test";
import { testDatabase } from "../../db/testing.ts";
import { limits } from "../../limits.ts";
import { freshMasterKey, masterKeyOf } from "../../vault/master-key.ts";
import { createSeal } from "../../vault/seal.ts";
import { newRepositories } from "../sessions/repositories.ts";
import { notePassUses } from "./note.ts";
import { sandboxCredentials } from "./pass.ts";
import { resolveSecrets } from "./resolve.ts";
import { vaultRows } from "./testing.ts";

const db = await testDatabase();
after(() => db.close());
const key = freshMasterKey();
const seal = createSeal(masterKeyOf(key));
const rows = vaultRows(db, seal);
const heard: string[] = [];
const trouble = (message: string, error: unknown) => heard.push(`${message}: ${(error as Error).message}`);
const parts = { db, seal, trouble };
const made = async (id: string) => (await sandboxCredentials(parts, "w", id)) ?? assert.fail("none");
const resolved = async (session_id: string) => {
  const { pass } = await made(session_id);
  return (await resolveSecrets(parts, { session_id, pass })) ?? assert.fail("none");
};

async function withRepository(sessionId: string, url: string, token: string): Promise<string> {
  const resource = { type: "github_repository" as const, url, authorization_token: token };
  const [row] = await newRepositories(seal, "w", [resource]);
  await rows.run(
    `insert into session_resource (workspace_id, session_id, id, type, url, token, mount_path, position, created_at, updated_at)
      values ('w', $1, $2, 'github_repository', $3, $4, $5, 1, drover_now(), drover_now())`,
    [sessionId, row?.id, url, row?.token, row?.mount_path],
  );
  return row?.id ?? "";
}

test("a session has one pass, one authority and one placeholder for each variable, whoever asks and when", async () => {
  const vault = await rows.vault();
  await rows.variable(vault, { name: "API_KEY", value: `sk-ant-${"a".repeat(60)}` });
  const id = await rows.session([vault]);
  const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => made(id)));
  for (const other of [...others, await made(id)]) assert.deepEqual(other, first);
  assert.match(first?.placeholders.API_KEY ?? "", /^sk-ant-[A-Za-z0-9]{60}$/);
  const certificate = new X509Certificate(first?.certificate ?? "");
  const { authority } = await resolved(id);
  assert.ok(certificate.ca && certificate.checkPrivateKey(createPrivateKey(authority.private_key)));
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(authority.certificate, first?.certificate);
});

test("two sessions of a vault have nothing in common", async () => {
  const vault = await rows.vault();
  await rows.variable(vault, { name: "API_KEY", value: "the real secret" });
  const [one, other] = await Promise.all([
    made(await rows.session([vault])),
    made(await rows.session([vault])),
  ]);
  for (const field of ["pass", "certificate"] as const) assert.notEqual(one[field], other[field]);
  assert.notEqual(one.placeholders.API_KEY, other.placeholders.API_KEY);
});

test("of several vaults the first one that has a variable gives it", async () => {
  const [empty, first, second] = [await rows.vault(), await rows.vault(), await rows.vault()];
  await rows.variable(second, { name: "A", value: "from the second" });
  await rows.variable(second, { name: "B", value: "b from the second" });
  const winner = await rows.variable(first, { name: "A", value: "from the first" });
  const id = await rows.session([empty, first, second]);
  const { placeholders } = await made(id);
  assert.deepEqual(Object.keys(placeholders).sort(), ["A", "B"]);
  const { secrets } = await resolved(id);
  assert.deepEqual(secrets.map((each) => each.type === "environment_variable" && each.secret).sort(), [
    "b from the second",
    "from the first",
  ]);
  await rows.run("update credential set archived_at = drover_now(), secret = null where id = $1", [winner]);
  assert.notEqual((await made(id)).placeholders.A, placeholders.A);
  assert.equal((await made(id)).placeholders.B, placeholders.B);
});

test("who has the pass is told what holds now", async () => {
  const vault = await rows.vault();
  const wide = await rows.variable(vault, { name: "WIDE", value: "wide secret", body: false });
  const narrow = await rows.variable(vault, { name: "NARROW", value: "narrow secret", hosts: ["a.test"] });
  const id = await rows.session([vault]);
  const repository = await withRepository(id, "https://github.com/a/b", "ghp_token");
  const { placeholders } = await made(id);
  const about = { type: "environment_variable", header: true } as const;
  const of = async (wanted: string) => (await resolved(id)).secrets.find((secret) => secret.id === wanted);
  assert.deepEqual(await of(wide), {
    ...about,
    id: wide,
    placeholder: placeholders.WIDE,
    secret: "wide secret",
    hosts: null,
    body: false,
  });
  assert.deepEqual(await of(narrow), {
    ...about,
    id: narrow,
    placeholder: placeholders.NARROW,
    secret: "narrow secret",
    hosts: ["a.test"],
    body: true,
  });
  assert.deepEqual(await of(repository), {
    type: "repository",
    id: repository,
    url: "https://github.com/a/b",
    token: "ghp_token",
  });
  await rows.run("update credential set archived_at = drover_now(), secret = null where id = $1", [wide]);
  await rows.run("delete from credential where id = $1", [narrow]);
  await rows.run("delete from session_resource where id = $1", [repository]);
  assert.deepEqual((await resolved(id)).secrets, []);
});

test("who has it not, or comes too late, is told nothing", async () => {
  const vault = await rows.vault();
  await rows.variable(vault, { name: "API_KEY", value: "the real secret" });
  const [one, other] = [await rows.session([vault]), await rows.session([vault])];
  const { pass } = await made(one);
  const told = (session_id: string, pass: string) => resolveSecrets(parts, { session_id, pass });
  assert.equal(await told(other, pass), null);
  await made(other);
  for (const wrong of ["", pass.slice(1), `${pass}x`, "x".repeat(pass.length)])
    assert.equal(await told(one, wrong), null);
  assert.equal(await told(other, pass), null);
  assert.equal(await told("sesn_none", pass), null);
  assert.ok(await told(one, pass));
  await rows.run("update session_head set status = 'terminated' where session_id = $1", [one]);
  assert.equal(await told(one, pass), null);
  await rows.run("delete from session where id = $1", [one]);
  assert.equal(await sandboxCredentials(parts, "w", one), null);
  assert.equal(await sandboxCredentials(parts, "elsewhere", other), null);
});

test("uses are written down of who has the pass, and of nobody else", async () => {
  const vault = await rows.vault();
  const credential = await rows.variable(vault, { name: "API_KEY", value: "the real secret" });
  const [id, other] = [await rows.session([vault]), await rows.session([vault])];
  const { pass } = await made(id);
  await made(other);
  const at = new Date().toISOString();
  const use = { host: "api.test", outcome: "sent 200", count: 2, at };
  const uses = [
    { ...use, id: credential },
    { ...use, id: "sesrsc_1" },
  ];
  for (const session_id of [id, other, "sesn_none"]) await notePassUses(parts, { session_id, pass, uses });
  const text =
    "select session_id, credential_id, resource_id, type, count::int from credential_use order by type";
  assert.deepEqual(await rows.run(text, []), [
    { session_id: id, credential_id: credential, resource_id: null, type: "environment_variable", count: 2 },
    { session_id: id, credential_id: null, resource_id: "sesrsc_1", type: "repository", count: 2 },
  ]);
});

test("a secret that cannot be opened is left out alone, and the log says which", async () => {
  const vault = await rows.vault();
  const good = await rows.variable(vault, { name: "GOOD", value: "the good secret" });
  const foreign = vaultRows(db, createSeal(masterKeyOf(freshMasterKey())));
  const bad = await foreign.variable(vault, { name: "BAD", value: "the bad secret" });
  const id = await rows.session([vault]);
  const lost = await withRepository(id, "https://github.com/a/b", "ghp_token");
  await rows.run("update session_resource set token = 'v1:x:y:z' where id = $1", [lost]);
  heard.length = 0;
  const { placeholders } = await made(id);
  assert.match(placeholders.BAD ?? "", /^[A-Za-z0-9]{24}$/);
  const { secrets } = await resolved(id);
  assert.deepEqual(
    secrets.map((secret) => secret.id),
    [good],
  );
  assert.equal(heard.filter((line) => line.includes(bad)).length, 2);
  assert.equal(heard.filter((line) => line.includes(lost)).length, 1);
  assert.ok(!heard.some((line) => /secret|ghp_/.test(line.replaceAll(/secret of|a secret was/g, ""))));
});

test("of secrets that are too much together the last ones are left out, and the log says which", async () => {
  const vault = await rows.vault();
  const value = "x".repeat(limits.secret_chars_max);
  const count = limits.session_secrets_bytes_max / limits.secret_chars_max;
  const ids: string[] = [];
  for (let i = 0; i <= count; i += 1) ids.push(await rows.variable(vault, { name: `A_${i}`, value }));
  const { secrets } = await resolved(await rows.session([vault]));
  const used = secrets.map(({ id }) => id);
  assert.deepEqual(used, ids.toSorted().slice(0, count));
  assert.ok(heard.some((line) => line.includes(`${ids.toSorted().at(-1)} is not used`)));
});

test("what the session's environment lets through is told too", async () => {
  const id = await rows.session([await rows.vault()]);
  assert.equal((await resolved(id)).network, undefined);
  const networking = {
    type: "limited",
    allowed_hosts: ["a.test"],
    allow_mcp_servers: true,
    allow_package_managers: false,
  };
  await rows.run("update session set environment_config = $2, agent = $3 where id = $1", [
    id,
    { type: "cloud", networking },
    { mcp_servers: [{ url: "https://mcp.test/x" }] },
  ]);
  const network = { type: "limited", hosts: ["a.test", "mcp.test"], package_managers: false };
  assert.deepEqual((await resolved(id)).network, network);
});

test("a pass that cannot be opened is no pass, and is not replaced", async () => {
  const vault = await rows.vault();
  const id = await rows.session([vault]);
  const { pass } = await made(id);
  const other = { ...parts, seal: createSeal(masterKeyOf(freshMasterKey())) };
  await assert.rejects(sandboxCredentials(other, "w", id), /master key/);
  await assert.rejects(resolveSecrets(other, { session_id: id, pass }), /master key/);
  assert.equal((await made(id)).pass, pass);
  const rotated = { ...parts, seal: createSeal(masterKeyOf(`${freshMasterKey()}\n${key}`)) };
  assert.equal((await sandboxCredentials(rotated, "w", id))?.pass, pass);
});
