import { Command } from "commander";
import type { Config } from "../config.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { countSealed, keysOfServers, type Rotated, rotate } from "../resources/sealed/rotate.ts";
import type { MasterKey } from "../vault/seal.ts";
import { createSeal } from "../vault/seal.ts";
import { explain } from "./explain.ts";
import { lineProgress } from "./line-progress.ts";
import { configOrExit } from "./machine.ts";
import { masterKeyPlace, readMasterKey } from "./master-key.ts";
import { openOwnPostgres } from "./own-postgres.ts";
import { type Form, printDrawn } from "./print.ts";

export function keysCommand(): Command {
  const keys = new Command("keys").description("The master keys that secrets are sealed under");
  keys
    .command("rotate")
    .description("Seal all secrets under the newest master key, the first one, while servers work")
    .option("--dry-run", "open each and count them, and write nothing")
    .option("--json", "print what was done as JSON")
    .action(async ({ dryRun = false, json }: { dryRun?: boolean } & Form) => {
      const config = configOrExit();
      try {
        process.exitCode = (await rotateKeys(config, { dry_run: dryRun, json })) ? 0 : 1;
      } catch (error) {
        process.stderr.write(`drover keys rotate: ${explain(error)}\n`);
        process.exitCode = 1;
      }
    });
  return keys;
}

/** False where something could not be opened. */
async function rotateKeys(config: Config, asked: { dry_run: boolean } & Form): Promise<boolean> {
  const masterKey = readMasterKey(config.master_key);
  const own = config.database_url === null ? await openOwnPostgres(config) : null;
  const db = openDatabase({ url: config.database_url ?? own?.url ?? "", connections: 2 });
  try {
    return await rotateIn(db, masterKey, { ...asked, place: masterKeyPlace(config.master_key) });
  } finally {
    await db.close();
    await own?.stop();
  }
}

interface Asked extends Form {
  dry_run: boolean;
  /** Where the master keys are written down. */
  place: string;
}

async function rotateIn(
  db: Database,
  masterKey: MasterKey,
  { dry_run, place, json }: Asked,
): Promise<boolean> {
  const { version } = masterKey;
  const lacking = (await keysOfServers(db)).filter((keys) => !keys.includes(version)).length;
  if (lacking > 0 && !dry_run)
    throw new Error(
      `${servers(lacking)} on this database could not open what is sealed under ${version}: give all of them this key, start them again, and try once more`,
    );
  const progress = lineProgress(process.stderr);
  let failures = 0;
  const since = Date.now();
  const rotated = await rotate({
    db,
    seal: createSeal(masterKey),
    dry_run,
    passed({ noun }, done, all) {
      if (Date.now() - since >= 1_000) progress.say(`${noun}: ${done} of ${all}`);
    },
    failed({ table, column }, { key, workspace_id }, why) {
      failures += 1;
      progress.clear();
      process.stderr.write(`${table}.${column} of ${key.join(" ")} (${workspace_id}): ${why}\n`);
    },
  });
  progress.clear();
  const older_keys = dry_run ? null : await olderKeys(db, masterKey, place);
  printDrawn(
    { json },
    {
      dry_run,
      master_key: version,
      rewrapped: Object.fromEntries(rotated),
      not_opened: failures,
      older_keys,
    },
    () =>
      [
        `${dry_run ? "would rewrap" : "rewrapped"} ${sumOf(rotated)} under the master key ${version}`,
        ...(failures > 0 ? [`${secrets(failures)} could not be opened, and stayed as they were`] : []),
        ...(older_keys ? [older_keys.why] : []),
        "",
      ].join("\n"),
  );
  return failures === 0;
}

/** Whether the older keys are needed any more. Nothing is known of backups. */
async function olderKeys(
  db: Database,
  { version, versions }: MasterKey,
  place: string,
): Promise<{ needed: boolean; why: string }> {
  const others = (await countSealed(db)).filter((each) => each.version !== version);
  const left = others.reduce((sum, { count }) => sum + count, 0);
  if (left > 0) {
    const named = [...new Set(others.map((each) => each.version || "no key at all"))].join(", ");
    const why = `keep the older keys: ${secrets(left)} are still sealed under another one (${named})`;
    return { needed: true, why };
  }
  const sealing = (await keysOfServers(db)).filter(([first]) => first !== version).length;
  if (sealing > 0)
    return {
      needed: true,
      why: `keep the older keys: ${servers(sealing)} still seal under one of them; put ${version} first there, start them again, and rotate once more`,
    };
  const older = versions.slice(1);
  const why =
    older.length === 0
      ? "there is no other key"
      : `nothing in this database is sealed under another key: the older ones (${older.join(", ")}) may be removed from ${place}; backups that were made before still need them`;
  return { needed: false, why };
}

const secrets = (n: number) => (n === 1 ? "1 secret" : `${n} secrets`);
const servers = (n: number) => (n === 1 ? "1 server" : `${n} servers`);

function sumOf(rotated: Rotated): string {
  const some = [...rotated].filter(([, n]) => n > 0);
  const all = secrets(some.reduce((sum, [, n]) => sum + n, 0));
  return some.length === 0 ? all : `${all} (${some.map(([noun, n]) => `${noun}: ${n}`).join(", ")})`;
}
