import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { testFolder } from "../src/hands/testing.ts";
import { freshMasterKey, masterKeyOf } from "../src/vault/master-key.ts";
import { createSeal } from "../src/vault/seal.ts";
import { credentialPlace } from "../src/vault/secrets.ts";
import { startCommand } from "./harness/command.ts";
import { freePort } from "./harness/free-port.ts";
import { patience } from "./harness/patience.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";

/** A master key is replaced as docs/SECURITY.md says, under servers that write all the while. */

const folder = testFolder();
chmodSync(folder.path, 0o711);
const file = join(folder.path, "keys");
const [old, fresh] = [freshMasterKey(), freshMasterKey()];
const oldVersion = masterKeyOf(old).version;
const version = masterKeyOf(fresh).version;
const write = (...keys: string[]) => writeFileSync(file, `${keys.join("\n")}\n`, { mode: 0o600 });

let processes: Processes;
let serve: Serve;
before(async () => {
  write(old);
  processes = await startProcesses({ settings: { DROVER_MASTER_KEY_FILE: file } });
});
after(async () => {
  await processes.close();
  folder.remove();
});

const start = async () => processes.serve(await freePort(), "--roles", "api");

const begin = (env: Record<string, string>, ...args: string[]) =>
  startCommand(["keys", "rotate", ...args], {
    DATABASE_URL: processes.db.url,
    DROVER_DATA_DIR: join(folder.path, "none"),
    ...env,
  });
async function rotate(keys: string[], ...args: string[]): Promise<{ code: number | null; said: string }> {
  const command = begin({ DROVER_MASTER_KEY: keys.join(",") }, ...args);
  const code = await command.ended;
  const said = command.said();
  for (const key of [old, fresh]) assert.ok(!said.includes(key.slice(0, 20)));
  return { code, said };
}

const versions = async () =>
  (
    await processes.db.query<{ version: string }>(
      { name: "", text: "select distinct split_part(secret, ':', 2) as version from credential" },
      [],
    )
  ).map((row) => row.version);

interface Written {
  vault_id: string;
  id: string;
  value: string;
}
const written: Written[] = [];
const auth = (n: number, secret_value: string) => ({
  type: "environment_variable" as const,
  secret_name: `KEY_${n}`,
  secret_value,
  networking: { type: "unrestricted" as const },
});

/** Holds who rewraps the last secret, when those before it are done. */
async function gateAtLast() {
  const holder = await processes.db.connect();
  const { rows } = await holder.query("select id from credential order by id desc limit 1");
  await holder.query("select pg_advisory_lock(4711)");
  await holder.query(`
    create or replace function wait_at_gate() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(4711); return new; end $$;
    create trigger gate before update on credential for each row
      when (new.id = '${rows[0].id}' and split_part(new.secret, ':', 2) <> split_part(old.secret, ':', 2))
      execute function wait_at_gate()`);
  return {
    /** Resolves with the connection that stands at it. */
    async reached(): Promise<number> {
      const asked = `select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted
        and database = (select oid from pg_database where datname = current_database())`;
      const [waiting] = (await holder.query(asked)).rows;
      assert.ok(waiting, "nobody stands at the gate");
      return waiting.pid;
    },
    /** What stood there writes nothing more. */
    async remove(connection: number) {
      await holder.query("select pg_terminate_backend($1, 60000)", [connection]);
      await holder.query("drop trigger gate on credential");
      await holder.end();
    },
  };
}

/** The secret of each, until it is told to stop; then nothing is under way any more. */
function writing(): { stop(): Promise<number> } {
  let over = false;
  let n = 0;
  const run = async () => {
    while (!over) {
      const one = written[n % written.length] ?? assert.fail();
      n += 1;
      const value = `value ${n} of ${one.id}`;
      const { vault_id, id } = one;
      await serve.client.beta.vaults.credentials.update(id, {
        vault_id,
        auth: { type: "environment_variable", secret_value: value },
      });
      one.value = value;
    }
  };
  const running = run();
  return {
    async stop() {
      over = true;
      await running;
      return n;
    },
  };
}

async function assertAllOpen(key: string): Promise<void> {
  const seal = createSeal(masterKeyOf(key));
  for (const { id, value } of written) {
    const [row] = await processes.db.query<{ workspace_id: string; secret: string }>(
      { name: "", text: "select workspace_id, secret from credential where id = $1" },
      [id],
    );
    assert.ok(row);
    const opened = JSON.parse(await seal.open(row.secret, credentialPlace(row.workspace_id, id)));
    assert.equal(opened.secret_value, value);
  }
}

describe("drover keys rotate", { concurrency: false }, () => {
  test("refuses while a server could not open what it would write", async () => {
    serve = await start();
    for (let v = 0; v < 6; v += 1) {
      const vault_id = (await serve.client.beta.vaults.create({ display_name: "v" })).id;
      for (let n = 0; n < 20; n += 1) {
        const value = `first value ${v} ${n}`;
        const { id } = await serve.client.beta.vaults.credentials.create(vault_id, { auth: auth(n, value) });
        written.push({ vault_id, id, value });
      }
    }
    const { code, said } = await rotate([fresh, old]);
    assert.equal(code, 1);
    assert.match(said, /1 server on this database could not open what is sealed under \w+: give all of them/);
    assert.deepEqual(await versions(), [oldVersion]);
    const dry = await rotate([fresh, old], "--dry-run");
    assert.deepEqual(
      [dry.code, dry.said],
      [0, `would rewrap 120 secrets (secrets of credentials: 120) under the master key ${version}\n`],
    );
    assert.deepEqual(await versions(), [oldVersion]);
  });

  test("with a key that opens nothing it names all, changes nothing and fails", async () => {
    await serve.stop();
    const { code, said } = await rotate([fresh]);
    assert.equal(code, 1);
    for (const { id } of written)
      assert.match(said, new RegExp(`credential\\.secret of ${id} \\(wrkspc_default\\): .*${oldVersion}`));
    assert.match(said, /rewrapped 0 secrets under/);
    assert.match(said, /120 secrets could not be opened, and stayed as they were/);
    assert.match(said, new RegExp(`keep the older keys: 120 secrets are still sealed .*\\(${oldVersion}\\)`));
    await assertAllOpen(old);
  });

  test("killed in the middle it begins again, and nothing is lost", async () => {
    write(old, fresh);
    serve = await start();
    const writer = writing();
    for (let kills = 0; kills < 2; kills += 1) {
      const gate = await gateAtLast();
      const command = begin({ DROVER_MASTER_KEY: `${fresh},${old}` });
      const waits = patience(60_000, async () => command.said());
      const connection = await waits.until("the command to come to the last secret", gate.reached);
      waits.end();
      command.child.kill("SIGKILL");
      await command.ended;
      await gate.remove(connection);
      assert.deepEqual((await versions()).toSorted(), [oldVersion, version].toSorted());
    }
    await writer.stop();
    const { code } = await rotate([fresh, old]);
    assert.equal(code, 0);
    assert.deepEqual(await versions(), [version]);
    await assertAllOpen(fresh);
  });

  test("says that a server still seals under the older key", async () => {
    const writer = writing();
    const { code, said } = await rotate([fresh, old]);
    assert.ok((await writer.stop()) > 0);
    assert.equal(code, 0);
    assert.match(said, /^keep the older keys: /m);
    assert.doesNotMatch(said, /may be removed/);
  });

  test("with the new key first everywhere, the older one is not needed any more", async () => {
    write(fresh, old);
    const other = await start();
    await serve.stop();
    serve = other;
    const writer = writing();
    const { code, said } = await rotate([fresh, old]);
    await writer.stop();
    assert.equal(code, 0, said);
    assert.match(
      said,
      new RegExp(`the older ones \\(${oldVersion}\\) may be removed from DROVER_MASTER_KEY`),
    );
    write(fresh);
    await serve.stop();
    serve = await start();
    const n = await writing().stop();
    assert.ok(n > 0);
    await assertAllOpen(fresh);
    const again = await rotate([fresh]);
    assert.deepEqual([again.code, /rewrapped 0 secrets/.test(again.said)], [0, true]);
    assert.match(again.said, /there is no other key/);
  });
});
