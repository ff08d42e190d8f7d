import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { bubblewrap } from "../hands/drivers/bubblewrap.ts";
import { startHands } from "../hands/host.ts";
import { readIdentity } from "../hands/identity.ts";
import { type TestFolder, testFolder } from "../hands/testing.ts";

const main = join(import.meta.dirname, "../main.ts");
const run = promisify(execFile);
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-certs-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const certs = (...more: string[]) => run(process.execPath, [main, "certs", join(folder, "c"), ...more]);
const file = (name: string) => join(folder, "c", name);
const filesOf = (name: string) => ({
  ca: file("ca.crt"),
  cert: file(`${name}.crt`),
  key: file(`${name}.key`),
});

test("makes an authority once, and what each side needs", async () => {
  const { stdout } = await certs("--host", "127.0.0.1", "--host", "box.internal");
  assert.equal(stdout.trim().split("\n").length, 6);
  readIdentity(filesOf("serve"), "serve");
  readIdentity(filesOf("host-127.0.0.1"), "hands");
  readIdentity(filesOf("host-box.internal"), "hands");
  readIdentity(filesOf("host-box.internal-egress"), "host egress");
  for (const name of ["ca", "serve", "host-127.0.0.1"])
    assert.equal(statSync(file(`${name}.key`)).mode & 0o777, 0o600);
  const host = new X509Certificate(readFileSync(file("host-box.internal.crt")));
  assert.equal(host.subjectAltName, "DNS:box.internal");

  const before = ["ca.crt", "serve.crt", "host-127.0.0.1.crt"].map((name) =>
    readFileSync(file(name), "utf8"),
  );
  await certs("--host", "::1");
  const after = ["ca.crt", "serve.crt", "host-127.0.0.1.crt"].map((name) => readFileSync(file(name), "utf8"));
  assert.deepEqual(after, before, "what was there stays");
  readIdentity(filesOf("host-__1"), "hands");
  await certs("--egress", "way.internal");
  readIdentity(filesOf("egress-way.internal"), "egress");
  assert.throws(
    () => readIdentity(filesOf("egress-way.internal"), "host egress"),
    /not of "drover host egress"/,
  );
  const way = new X509Certificate(readFileSync(file("egress-way.internal.crt")));
  assert.equal(way.subjectAltName, "DNS:way.internal");
  await certs("--days", "10");
  const renewed = new X509Certificate(readFileSync(file("serve.crt")));
  assert.ok(renewed.validToDate.getTime() < Date.now() + 11 * 24 * 3_600_000);
  readIdentity(filesOf("serve"), "serve");
});

test("says what is wrong", async () => {
  for (const [options, expected] of [
    [["--host", "a:1"], /without a port/],
    [["--days", "0"], /must be a whole number from 1 to 3650/],
  ] as const) {
    await assert.rejects(certs(...options), (error: { stderr: string }) => expected.test(error.stderr));
  }
  rmSync(file("ca.key"));
  await assert.rejects(certs(), (error: { stderr: string }) =>
    /has one of ca\.crt and ca\.key/.test(error.stderr),
  );
});

test("doctor greets the hosts, and says how long the certificate holds", async () => {
  rmSync(join(folder, "c"), { recursive: true });
  await certs("--host", "127.0.0.1", "--days", "10");
  const place: TestFolder = testFolder();
  const host = await startHands({
    socket_path: join(place.path, "hands.sock"),
    data_dir: place.path,
    driver: bubblewrap({ data_dir: place.path }),
    network: { host: "127.0.0.1", port: 0, identity: readIdentity(filesOf("host-127.0.0.1"), "hands") },
  });
  const doctor = async (settings: NodeJS.ProcessEnv) => {
    const env = {
      PATH: process.env.PATH,
      TMPDIR: process.env.TMPDIR,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      DROVER_DATA_DIR: join(folder, "data"),
      DROVER_HANDS_HOSTS: `127.0.0.1:${host.port},127.0.0.1:1`,
      DROVER_HANDS_CA: file("ca.crt"),
      DROVER_HANDS_CERT: file("serve.crt"),
      DROVER_HANDS_KEY: file("serve.key"),
      ...settings,
    };
    return run(process.execPath, [main, "doctor"], { env }).catch((error: { stdout: string }) => error);
  };
  try {
    const { stdout } = await doctor({});
    assert.match(stdout, /warn {2}tls .*serve\.crt holds until 20..-..-..: make new ones with drover certs/);
    assert.match(
      stdout,
      new RegExp(`ok {4}host {6}127.0.0.1:${host.port} is ${host.host_id}: 0 of \\d+ sandboxes run`),
    );
    assert.match(
      stdout,
      /warn {2}host {6}127\.0\.0\.1:1 cannot be used \(.*ECONNREFUSED.*\): see that drover hands/,
    );
    const wrong = await doctor({
      DROVER_HANDS_CERT: file("host-127.0.0.1.crt"),
      DROVER_HANDS_KEY: file("host-127.0.0.1.key"),
    });
    assert.match(wrong.stdout, /fail {2}tls .*one of "drover hands", not of "drover serve"/);
  } finally {
    await host.close();
    place.remove();
  }
});
