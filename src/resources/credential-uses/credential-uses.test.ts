import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testDatabase } from "../../db/testing.ts";
import { limits } from "../../limits.ts";
import type { CredentialUseSummary } from "../../protocol/credential-uses.ts";
import { vaultRows } from "../session-pass/testing.ts";
import { listUses } from "./list.ts";
import { forgetOldUses, type NewUse, noteUses } from "./note.ts";

const db = await testDatabase();
after(() => db.close());
const rows = vaultRows(db, { seal: async () => "" } as never);

const use = (fields: Partial<NewUse> = {}): NewUse => ({
  id: "vcrd_1",
  kind: "environment_variable",
  host: "api.example.com",
  outcome: "sent 200",
  at: "2026-01-01T10:00:30.000Z",
  ...fields,
});
const listed = async (session: string, query: object = {}) =>
  (await listUses(db, "w", session, { order: "desc", limit: 100, ...query })).data;
const shown = async (session: string) =>
  (await listed(session, { order: "asc" })).map(
    ({ credential_id, resource_id, kind, host, outcome, count }) =>
      `${credential_id ?? resource_id} ${kind} ${host} ${outcome} ${count}`,
  );

test("uses of one minute that are alike are one, whoever notes them and how often", async () => {
  const session = await rows.session([]);
  await Promise.all(
    Array.from({ length: 10 }, () =>
      noteUses(db, "w", session, [
        use(),
        use({ at: "2026-01-01T10:00:59.999Z", count: 4 }),
        use({ outcome: "sent 401" }),
      ]),
    ),
  );
  await noteUses(db, "w", session, [
    use({ at: "2026-01-01T10:01:00.000Z" }),
    use({ at: "2026-01-01T10:01:01.000Z", id: "sesrsc_1", kind: "repository", host: "github.com" }),
    use({ at: "2026-01-01T10:01:02.000Z", kind: "mcp" }),
  ]);
  assert.deepEqual((await shown(session)).sort(), [
    "sesrsc_1 repository github.com sent 200 1",
    "vcrd_1 environment_variable api.example.com sent 200 1",
    "vcrd_1 environment_variable api.example.com sent 200 50",
    "vcrd_1 environment_variable api.example.com sent 401 10",
    "vcrd_1 mcp api.example.com sent 200 1",
  ]);
  const [newest] = await listed(session);
  assert.equal(newest?.created_at, "2026-01-01T10:01:02.000000Z");
  assert.equal((await listed(session)).at(-1)?.created_at, "2026-01-01T10:00:30.000000Z");
});

test("what is told in one message counts once, whoever notes it and how often", async () => {
  const session = await rows.session([]);
  const told = [use({ count: 3 }), use({ outcome: "sent 401" })];
  await Promise.all(Array.from({ length: 8 }, (_, i) => noteUses(db, "w", session, told, `tell ${i % 2}`)));
  await noteUses(db, "w", session, told);
  assert.deepEqual((await shown(session)).sort(), [
    "vcrd_1 environment_variable api.example.com sent 200 9",
    "vcrd_1 environment_variable api.example.com sent 401 3",
  ]);
  // Of many messages the newest are known.
  const most = limits.credential_use_tells_max;
  for (let n = 0; n < most; n += 1) await noteUses(db, "w", session, told.slice(0, 1), `more ${n}`);
  await noteUses(db, "w", session, told.slice(0, 1), `more ${most - 1}`);
  await noteUses(db, "w", session, told.slice(0, 1), "more 0");
  assert.ok(
    (await shown(session)).includes(`vcrd_1 environment_variable api.example.com sent 200 ${9 + 3 * most}`),
  );
  const sized = {
    name: "tells",
    text: "select max(cardinality(tells)) as most from credential_use where session_id = $1",
  };
  assert.deepEqual(await db.query(sized, [session]), [{ most }]);
});

test("what a program has chosen is kept short and plain, and no time is in the future", async () => {
  const session = await rows.session([]);
  await noteUses(db, "w", session, [
    use({ host: `\u0000\u001b[31m${"x".repeat(1_000)}`, outcome: "\ud83d", at: "2999-01-01T00:00:00Z" }),
  ]);
  const [only] = await listed(session);
  assert.match(only?.host ?? "", /^\?\?\[31mx{249}$/);
  assert.equal(only?.outcome, "\ufffd");
  assert.ok((only?.created_at ?? "9") < "2998");
});

test("of a session that is gone, nothing is written down", async () => {
  await noteUses(db, "w", "sesn_none", [use()]);
  await noteUses(db, "another", await rows.session([]), [use()]);
  await assert.rejects(listUses(db, "w", "sesn_none", { order: "desc", limit: 1 }), /sesn_none not found/);
});

test("new uses never make old ones go: beyond a number they are counted together", async () => {
  const session = await rows.session([]);
  const most = limits.credential_uses_max;
  await noteUses(db, "w", session, [use({ host: "real.example.com" })]);
  for (let n = 0; n < most + 4_000; n += 2_000)
    await noteUses(
      db,
      "w",
      session,
      Array.from({ length: 2_000 }, (_, i) => use({ host: `h${n + i}.example.com` })),
    );
  await noteUses(db, "w", session, [use({ host: "real.example.com" })]);
  const [{ n = 0, real = 0, more = 0 } = {}] = await db.query<{ n: number; real: number; more: number }>(
    {
      name: "test_count",
      text: `select count(*) as n, sum(count) filter (where host = 'real.example.com')::int as real,
        sum(count) filter (where host = '*' and outcome = 'more')::int as more
        from credential_use where session_id = $1`,
    },
    [session],
  );
  assert.ok(n <= most + 2_000 && n > most, `${n}`);
  assert.equal(real, 2);
  assert.equal(more, most + 4_001 - (n - 1));
});

test("pages tell each use once, both ways", async () => {
  const session = await rows.session([]);
  const hosts = Array.from({ length: 25 }, (_, i) => `h${String(i).padStart(2, "0")}`);
  await noteUses(
    db,
    "w",
    session,
    hosts.map((host, i) => use({ host, at: `2026-01-01T10:00:${i < 10 ? "00" : String(i)}.000Z` })),
  );
  for (const order of ["asc", "desc"] as const) {
    const seen: string[] = [];
    let page: string | undefined;
    do {
      const { data, next_page } = await listUses(db, "w", session, { order, limit: 4, page });
      seen.push(...data.map(({ host }) => host));
      page = next_page ?? undefined;
    } while (page !== undefined);
    assert.deepEqual([...seen].sort(), hosts);
    assert.equal(order === "asc" ? seen.at(-1) : seen[0], "h24");
  }
});

test("old ones are forgotten", async () => {
  const session = await rows.session([]);
  const recent = new Date().toISOString();
  await noteUses(db, "w", session, [use({ at: "2020-01-01T00:00:00Z" }), use({ at: recent })]);
  await noteUses(db, "w", session, [use({ id: "vcrd_old", at: "2020-01-01T00:00:00Z" })]);
  await forgetOldUses(db);
  assert.equal((await listed(session)).length, 1);
  assert.deepEqual(
    (await summed(session)).map(({ credential_id, last_used_at }) => [credential_id, last_used_at]),
    [["vcrd_1", recent.replace("Z", "000Z")]],
  );
});

const summed = (session: string) =>
  db.query<CredentialUseSummary>(
    {
      name: "test_summed",
      text: `select credential_id, type as kind, host, count::int, last_outcome, first_used_at, last_used_at
        from credential_use_summary where session_id = $1 order by credential_id, host`,
    },
    [session],
  );

test("what is summed up is what was written, whoever notes it and how often, and in whichever order", async () => {
  const session = await rows.session([]);
  const told = [
    use({ count: 3 }),
    use({ outcome: "sent 401", at: "2026-01-01T11:00:00.000Z" }),
    use({ id: "sesrsc_1", kind: "repository", host: "github.com" }),
    use({ id: "vcrd_2", kind: "mcp", host: "mcp.example.com" }),
  ];
  await Promise.all(Array.from({ length: 8 }, (_, i) => noteUses(db, "w", session, told, `tell ${i % 2}`)));
  await noteUses(db, "w", session, [use({ outcome: "sent 500", at: "2026-01-01T09:00:00.000Z" })]);
  assert.deepEqual(await summed(session), [
    {
      credential_id: "vcrd_1",
      kind: "environment_variable",
      host: "api.example.com",
      count: 9,
      last_outcome: "sent 401",
      first_used_at: "2026-01-01T09:00:00.000000Z",
      last_used_at: "2026-01-01T11:00:00.000000Z",
    },
    {
      credential_id: "vcrd_2",
      kind: "mcp",
      host: "mcp.example.com",
      count: 2,
      last_outcome: "sent 200",
      first_used_at: "2026-01-01T10:00:30.000000Z",
      last_used_at: "2026-01-01T10:00:30.000000Z",
    },
  ]);
});
