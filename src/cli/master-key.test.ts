import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConfig } from "../config.ts";
import { freshMasterKey } from "../vault/master-key.ts";
import { openMasterKey } from "./master-key.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-master-key-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const machine = { uid: 1000, home: "/home/somebody" };
const settingsOf = (env: Record<string, string>) =>
  readConfig({ DROVER_DATA_DIR: folder, ...env }, machine).master_key;

test("a key is made once in the data directory, for its owner alone", () => {
  const first = openMasterKey(settingsOf({}));
  assert.deepEqual(readdirSync(folder), ["master-key"]);
  assert.equal(statSync(join(folder, "master-key")).mode & 0o777, 0o600);
  assert.equal(openMasterKey(settingsOf({})).version, first.version);
  const text = readFileSync(join(folder, "master-key"), "utf8").trim();
  assert.equal(openMasterKey(settingsOf({ DROVER_MASTER_KEY: text })).version, first.version);
});

test("several keys may be given at once, the newest first", () => {
  const [old, fresh] = [freshMasterKey(), freshMasterKey()];
  const { version } = openMasterKey(settingsOf({ DROVER_MASTER_KEY: fresh }));
  assert.equal(openMasterKey(settingsOf({ DROVER_MASTER_KEY: `${fresh}, ${old}` })).version, version);
});

test("a file that was named is never made, and two places are one too many", () => {
  const missing = join(folder, "missing");
  assert.throws(() => openMasterKey(settingsOf({ DROVER_MASTER_KEY_FILE: missing })), /missing.*ENOENT/);
  assert.throws(
    () => settingsOf({ DROVER_MASTER_KEY: freshMasterKey(), DROVER_MASTER_KEY_FILE: missing }),
    /DROVER_MASTER_KEY: must not be set together/,
  );
  assert.throws(() => settingsOf({ DROVER_MASTER_KEY_FILE: "key" }), /must be an absolute path/);
});
