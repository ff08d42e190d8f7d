import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testDatabase } from "../../db/testing.ts";
import { freshMasterKey, masterKeyOf } from "../../vault/master-key.ts";
import { createSeal } from "../../vault/seal.ts";
import { vaultRows } from "../session-pass/testing.ts";
import { countExposure } from "./exposure.ts";

const db = await testDatabase();
after(() => db.close());

test("variables count that may go anywhere from an environment that lets all through, once each", async () => {
  const { run, vault, variable, session } = vaultRows(db, createSeal(masterKeyOf(freshMasterKey())));
  const [wide, unused, other] = [await vault(), await vault(), await vault()];
  await variable(wide, { name: "A", value: "v" });
  const archived = await variable(wide, { name: "B", value: "v" });
  await variable(wide, { name: "C", value: "v", hosts: ["a.example.com"] });
  await variable(unused, { name: "A", value: "v" });
  await variable(other, { name: "A", value: "v" });
  await run("update credential set archived_at = drover_now() where id = $1", [archived]);
  assert.deepEqual(await countExposure(db), { unlimited: 0, sessions: 0 });

  const set = (id: string, networking: object) =>
    run("update session set environment_config = $2 where id = $1", [id, JSON.stringify({ networking })]);
  const open = [await session([wide]), await session([wide, wide])];
  for (const id of open) await set(id, { type: "unrestricted" });
  await set(await session([other]), { type: "limited", allowed_hosts: [] });
  await run(
    `insert into session_pass (workspace_id, session_id, certificate, secret, created_at)
      select workspace_id, id, 'c', 's', drover_now() from session where id = any ($1)`,
    [open],
  );
  assert.deepEqual(await countExposure(db), { unlimited: 1, sessions: 2 });
  await run("update session set archived_at = drover_now() where id = any ($1)", [open]);
  assert.deepEqual(await countExposure(db), { unlimited: 0, sessions: 0 });
});
