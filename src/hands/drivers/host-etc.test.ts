import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { testFolder } from "../testing.ts";
import { copiesOfEtc } from "./host-etc.ts";
import { writeEtc } from "./root-filesystem.ts";

const folder = testFolder();
after(() => folder.remove());

const at = (name: string) => join(folder.path, name);
const read = (path: string, name: string) => readFileSync(join(path, name), "utf8");

test("the /etc of sandboxes has what is shared of the host's, and their own files in place of its others", () => {
  mkdirSync(at("etc/ssl/certs"), { recursive: true });
  writeFileSync(at("etc/ssl/certs/a.pem"), "authority");
  writeFileSync(at("zone"), "time");
  symlinkSync(at("zone"), at("etc/localtime"));
  for (const name of ["passwd", "shadow", "hosts"]) writeFileSync(at(`etc/${name}`), "the host's");
  writeEtc(at("own"));
  const etc = copiesOfEtc(at("copies"), at("own"), at("etc"));

  assert.equal(read(etc("none"), "ssl/certs/a.pem"), "authority");
  assert.equal(read(etc("none"), "localtime"), "time");
  assert.match(read(etc("open"), "passwd"), /^agent:/m);
  assert.match(read(etc("open"), "hosts"), /sandbox/);
  assert.throws(() => read(etc("open"), "shadow"), { code: "ENOENT" });
  assert.match(read(etc("open"), "resolv.conf"), /^nameserver/m);
  assert.doesNotMatch(read(etc("none"), "resolv.conf"), /^nameserver/m);

  const before = etc("open");
  assert.equal(copiesOfEtc(at("copies"), at("own"), at("etc"))("open"), before);
  writeFileSync(at("etc/ssl/certs/b.pem"), "another");
  assert.notEqual(etc("open"), before);
  assert.equal(read(etc("open"), "ssl/certs/b.pem"), "another");
  assert.throws(() => read(before, "ssl/certs/b.pem"), { code: "ENOENT" });
});
