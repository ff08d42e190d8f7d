import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ownKeyPrefix } from "../config.ts";
import { apiKeyFile, apiKeyOf, isRoot, prepareFolders } from "./machine.ts";

const root = mkdtempSync(join(tmpdir(), "drover-machine-"));
after(() => rmSync(root, { recursive: true }));
const modeOf = (path: string) => statSync(path).mode & 0o777;
let made = 0;
const newFolder = () => {
  made += 1;
  const folder = join(root, String(made));
  mkdirSync(folder);
  return folder;
};

test("an API key is made once, for its owner alone", () => {
  const data_dir = newFolder();
  const key = apiKeyOf({ api_key: null, data_dir });
  assert.ok(key.startsWith(ownKeyPrefix));
  assert.equal(apiKeyOf({ api_key: null, data_dir }), key);
  assert.equal(modeOf(apiKeyFile(data_dir)), 0o600);
  assert.deepEqual(readdirSync(data_dir), ["api-key"]);
});

test("a key that was set is neither written nor replaced by the one that was made", () => {
  const data_dir = newFolder();
  assert.equal(apiKeyOf({ api_key: "set-by-the-environment", data_dir }), "set-by-the-environment");
  assert.deepEqual(readdirSync(data_dir), []);
});

test("an empty key file does not open the server to an empty key", () => {
  const data_dir = newFolder();
  writeFileSync(apiKeyFile(data_dir), "");
  assert.throws(() => apiKeyOf({ api_key: null, data_dir }), /holds no usable key/);
});

test("folders are made passable for the other users of Drover, and readable for none", () => {
  const umask = process.umask(0o077);
  try {
    const data_dir = join(newFolder(), "on/the/way");
    prepareFolders({ data_dir, runtime_dir: join(newFolder(), "run") });
    assert.equal(modeOf(data_dir), isRoot() ? 0o711 : 0o700);
    assert.equal(modeOf(join(data_dir, "..")), isRoot() ? 0o755 : 0o700);
  } finally {
    process.umask(umask);
  }
});

test("a folder in which one part of Drover was first is its own for the others too", () => {
  for (const first of ["hands", "file-store"]) {
    const data_dir = newFolder();
    mkdirSync(join(data_dir, first));
    prepareFolders({ data_dir, runtime_dir: newFolder() });
  }
});

test("a folder that holds other things is left alone, on a file system of its own too", () => {
  for (const others of [["letters.txt"], ["lost+found", "letters.txt"]]) {
    const data_dir = newFolder();
    for (const name of others) writeFileSync(join(data_dir, name), "");
    const mode = modeOf(data_dir);
    assert.throws(() => prepareFolders({ data_dir, runtime_dir: newFolder() }), /holds other things/);
    assert.equal(modeOf(data_dir), mode);
  }
});

test("a fresh file system, and what was Drover's before, are taken", () => {
  for (const held of [["lost+found"], ["lost+found", "api-key", "started-before"]]) {
    const data_dir = newFolder();
    for (const name of held) writeFileSync(join(data_dir, name), "");
    prepareFolders({ data_dir, runtime_dir: newFolder() });
    assert.equal(modeOf(data_dir), isRoot() ? 0o711 : 0o700);
  }
});
