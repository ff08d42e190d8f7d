import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { openDatabase, type Statement } from "../../db/database.ts";
import { readMigrations } from "../../db/migrate.ts";
import { testDatabase } from "../../db/testing.ts";
import { limits } from "../../limits.ts";
import { freshMasterKey, masterKeyOf } from "../../vault/master-key.ts";
import { createSeal } from "../../vault/seal.ts";
import { credentialPlace } from "../../vault/secrets.ts";
import { sandboxCredentials } from "../session-pass/pass.ts";
import { resolveSecrets } from "../session-pass/resolve.ts";
import { vaultRows } from "../session-pass/testing.ts";
import { newRepositories } from "../sessions/repositories.ts";
import { sealedColumns } from "./columns.ts";
import { countSealed, rotate } from "./rotate.ts";

const sealOf = (...keys: string[]) => createSeal(masterKeyOf(keys.join("\n")));
const trouble = (_: string, error: unknown) => assert.fail(error as Error);

/** A database in which something is sealed of everything that is, under one key. */
async function ground(t: { after(end: () => Promise<void>): void }, variables = 3) {
  const db = await testDatabase();
  t.after(() => db.close());
  const [old, fresh] = [freshMasterKey(), freshMasterKey()];
  const seal = sealOf(old);
  const rows = vaultRows(db, seal);
  const vault = await rows.vault();
  const ids: string[] = [];
  for (let n = 0; n < variables; n += 1)
    ids.push(await rows.variable(vault, { name: `KEY_${n}`, value: `secret number ${n}` }));
  const session = await rows.session([vault]);
  const url = "https://github.com/a/b";
  const [made] = await newRepositories(seal, "w", [
    { type: "github_repository", url, authorization_token: "ghp_0123" },
  ]);
  // A fork has the same token, word for word.
  for (const [id, of] of [
    [made?.id, session],
    ["sesrsc_fork", await rows.session([])],
  ])
    await rows.run(
      `insert into session_resource (workspace_id, session_id, id, type, url, token, mount_path, position, created_at, updated_at)
        values ('w', $1, $2, 'github_repository', $3, $4, '/workspace/b', 1, drover_now(), drover_now())`,
      [of, id, url, made?.token],
    );
  const made_for = await sandboxCredentials({ db, seal, trouble }, "w", session);
  const failures: string[] = [];
  const run = (keys: string[], dry_run = false) =>
    rotate({
      db,
      seal: sealOf(...keys),
      dry_run,
      passed() {},
      failed: ({ table }, { key }, why) => failures.push(`${table} ${key}: ${why}`),
    });
  const write = async (id: string, seal = sealOf(old), value = "written anew") =>
    rows.run("update credential set secret = $2 where id = $1", [
      id,
      await seal.seal(
        JSON.stringify({ type: "environment_variable", secret_value: value }),
        credentialPlace("w", id),
      ),
    ]);
  return { db, rows, old, fresh, ids, vault, session, pass: made_for?.pass ?? "", failures, run, write };
}
type Ground = Awaited<ReturnType<typeof ground>>;

const versions = async ({ db }: Ground) => [
  ...new Set((await countSealed(db)).map(({ version }) => version)),
];
const versionOf = (key: string) => masterKeyOf(key).version;

test("all that is sealed opens by the new key alone afterwards", async (t) => {
  const all = await ground(t, 2 * limits.rotate_batch_max + 3);
  const { db, old, fresh, session, pass, ids } = all;
  const counted = await countSealed(db);
  assert.deepEqual(
    counted.map(({ noun, count }) => [noun, count]),
    [
      ["secrets of credentials", ids.length],
      ["passes of sessions", 1],
      ["tokens of repositories", 2],
    ],
  );
  assert.equal((await all.run([fresh, old], true)).get("secrets of credentials"), ids.length);
  assert.deepEqual(await countSealed(db), counted);

  const rotated = await all.run([fresh, old]);
  assert.deepEqual([...rotated.values()], [ids.length, 1, 2, 0]);
  assert.deepEqual(await versions(all), [versionOf(fresh)]);
  const resolved = await resolveSecrets({ db, seal: sealOf(fresh), trouble }, { session_id: session, pass });
  const texts = resolved?.secrets.map((each) => (each.type === "repository" ? each.token : each.secret));
  assert.deepEqual(new Set(texts), new Set(["ghp_0123", ...ids.map((_, n) => `secret number ${n}`)]));
  assert.deepEqual([...(await all.run([fresh])).values()], [0, 0, 0, 0]);
  assert.deepEqual(all.failures, []);
});

test("what others write meanwhile stays, under whichever key, and is taken again", async (t) => {
  const all = await ground(t, limits.rotate_batch_max);
  const { db, old, fresh, ids } = all;
  // Between the reading of a row and the writing of it.
  let n = 0;
  const slow = sealOf(fresh, old);
  const failures: string[] = [];
  await rotate({
    db,
    seal: {
      ...slow,
      async rewrap(sealed, place) {
        if (place.table === "credential" && n < 20) {
          n += 1;
          const seal = n % 2 === 0 ? sealOf(old) : sealOf(fresh, old);
          if (n === 5) await all.rows.run("delete from credential where id = $1", [place.id]);
          else if (n === 6)
            await all.rows.run("update credential set secret = null where id = $1", [place.id]);
          else await all.write(place.id, seal, `later ${place.id}`);
        }
        return slow.rewrap(sealed, place);
      },
    },
    dry_run: false,
    passed() {},
    failed: (_, { key }, why) => failures.push(`${key} ${why}`),
  });
  assert.deepEqual(failures, []);
  assert.deepEqual(await versions(all), [versionOf(fresh)]);
  const rows = await db.query<{ id: string; secret: string }>(
    { name: "", text: "select id, secret from credential where secret is not null" },
    [],
  );
  assert.equal(rows.length, ids.length - 2);
  let later = 0;
  for (const { id, secret } of rows) {
    const text = await sealOf(fresh).open(secret, credentialPlace("w", id));
    if (text.includes(`later ${id}`)) later += 1;
  }
  assert.equal(later, 18);
});

test("what others are writing is not waited for, and taken the next time", async (t) => {
  const all = await ground(t, 5);
  const { db, old, fresh, ids } = all;
  const [held = "", ...others] = ids;
  const lock: Statement = {
    name: "test_lock",
    text: "update credential set display_name = 'x' where id = $1",
  };
  const writer = openDatabase({ url: db.url, connections: 1 });
  t.after(() => writer.close());
  await writer.transaction(async (tx) => {
    await tx.query(lock, [held]);
    assert.equal((await all.run([fresh, old])).get("secrets of credentials"), others.length);
    // Whoever holds some and comes for the others neither waits nor is waited for.
    for (const id of others) await tx.query(lock, [id]);
  });
  assert.equal((await versions(all)).length, 2);
  assert.equal((await all.run([fresh, old])).get("secrets of credentials"), 1);
  assert.deepEqual(await versions(all), [versionOf(fresh)]);
  assert.deepEqual(all.failures, []);
});

test("what cannot be opened is named and stays as it is, and the others do not wait for it", async (t) => {
  const all = await ground(t, 8);
  const { db, old, fresh, ids, rows } = all;
  const [moved = "", cut = "", garbage = "", strange = "", boxless = ""] = ids;
  await rows.run(
    "update credential set secret = (select secret from credential where id = $2) where id = $1",
    [moved, ids[7]],
  );
  await rows.run("update credential set secret = left(secret, -5) where id = $1", [cut]);
  await rows.run("update credential set secret = 'no sealed text' where id = $1", [garbage]);
  await rows.run("update credential set secret = left(secret, 40) where id = $1", [boxless]);
  await all.write(strange, sealOf(freshMasterKey()));
  const before = await db.query({ name: "", text: "select * from credential order by id" }, []);
  for (const dry_run of [true, false]) {
    all.failures.length = 0;
    const rotated = await all.run([fresh, old], dry_run);
    assert.equal(rotated.get("secrets of credentials"), 3);
    assert.deepEqual(
      all.failures.map((each) => each.split(":")[0]).sort(),
      [moved, cut, garbage, strange, boxless].map((id) => `credential ${id}`).sort(),
    );
    assert.ok(all.failures.every((each) => !/secret number|written anew/.test(each)));
    assert.ok(all.failures.some((each) => each.includes(`${strange}: a secret was sealed under`)));
  }
  const now = await db.query<{ id: string }>({ name: "", text: "select * from credential order by id" }, []);
  const bad = new Set([moved, cut, garbage, strange, boxless]);
  for (const [n, row] of now.entries())
    assert.equal(isDeepStrictEqual(row, before[n]), bad.has(row.id), row.id);
});

test("with another key nothing is changed", async (t) => {
  const all = await ground(t);
  const counted = await countSealed(all.db);
  await all.run([freshMasterKey()]);
  assert.equal(all.failures.length, 6);
  assert.deepEqual(await countSealed(all.db), counted);
});

test("two at once do no harm", async (t) => {
  const all = await ground(t, limits.rotate_batch_max + 10);
  await Promise.all([all.run([all.fresh, all.old]), all.run([all.fresh, all.old])]);
  assert.deepEqual(await versions(all), [versionOf(all.fresh)]);
  assert.deepEqual(all.failures, []);
});

test("every column that is sealed is listed", () => {
  // Each says so in the migration that makes it.
  const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`);
  const found = readMigrations().flatMap(({ sql }) =>
    [...sql.matchAll(/create table (\w+) \(([\s\S]*?)\n\)/g)].flatMap(([, table, body = ""]) =>
      [...body.matchAll(/-- [^\n]*Sealed[^\n]*\n(?:\s*--[^\n]*\n)*\s*(\w+) /g)].map(
        ([, column]) => `${table}.${column}`,
      ),
    ),
  );
  assert.deepEqual(found.sort(), [...listed].sort());
});
