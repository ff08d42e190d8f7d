import "reflect-metadata";
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { connect as connectPlainly } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { makeAuthority, makeCertificate, type Pair } from "../cli/certificates.ts";
import { limits } from "../limits.ts";
import { anyChange, connectHost, type HostConnection } from "./client.ts";
import { bubblewrap } from "./drivers/bubblewrap.ts";
import { type HandsHost, startHands } from "./host.ts";
import { type Identity, type Role, readIdentity, wrongRole } from "./identity.ts";
import { connectHands } from "./one-host.ts";
import { type TestFolder, testFolder } from "./testing.ts";
import { never, request, shell, textOf } from "./testing-host.ts";

const dayMs = 24 * 3_600_000;
const now = Date.now();
const valid = { from: new Date(now - dayMs), to: new Date(now + dayMs) };
const expired = { from: new Date(now - 2 * dayMs), to: new Date(now - dayMs) };
const future = { from: new Date(now + dayMs), to: new Date(now + 2 * dayMs) };

let ca: Pair;
let otherCa: Pair;
const of = async (role: Role, more: { ca?: Pair; validity?: typeof valid; addresses?: string[] } = {}) => {
  const signer = more.ca ?? ca;
  const { addresses = role === "hands" ? ["127.0.0.1"] : [], validity = valid } = more;
  const pair = await makeCertificate(signer, { role, name: "test", addresses, ...validity });
  return { ca: ca.cert, ...pair };
};

/** Signed by the authority for any use, and for a role that is not one of the two. */
async function ofNoRole(): Promise<Identity> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signer = PemConverter.decodeFirst(ca.key);
  const cert = await X509CertificateGenerator.create({
    subject: "CN=test, OU=drover console",
    issuer: new X509Certificate(ca.cert).subjectName,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey("pkcs8", signer, algorithm, false, ["sign"]),
    notBefore: valid.from,
    notAfter: valid.to,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { ca: ca.cert, cert: cert.toString("pem"), key: PemConverter.encode(pkcs8, "PRIVATE KEY") };
}

before(async () => {
  ca = await makeAuthority(valid);
  otherCa = await makeAuthority(valid);
});

/** Why a host cannot be used; null when it can. */
async function problemOf(host: HostConnection, troubles: Error[]): Promise<string | null> {
  while (!host.isUp() && troubles.length === 0) await anyChange([host], 20);
  return troubles[0]?.message ?? null;
}

describe("a sandbox host on the network", () => {
  let folder: TestFolder;
  let host: HandsHost;
  const refused: string[] = [];
  before(async () => {
    folder = testFolder();
    host = await startHands({
      socket_path: join(folder.path, "hands.sock"),
      data_dir: folder.path,
      driver: bubblewrap({ data_dir: folder.path }),
      network: {
        host: "127.0.0.1",
        port: 0,
        identity: await of("hands"),
        onRefused: (_, why) => refused.push(why),
      },
    });
  });
  after(async () => {
    await host.close();
    folder.remove();
  });

  async function tryAs(identity: Identity): Promise<string | null> {
    const troubles: Error[] = [];
    const address = { host: "127.0.0.1", port: host.port ?? 0, identity };
    const connection = connectHost({ ...address, onTrouble: (error) => troubles.push(error) });
    try {
      return await problemOf(connection, troubles);
    } finally {
      connection.close();
    }
  }

  test("runs commands for a server that shows a certificate of the authority", async (t) => {
    const identity = await of("serve");
    const hands = connectHands({ host: "127.0.0.1", port: host.port ?? 0, identity });
    t.after(() => hands.close());
    const result = await hands.execute(request("tls", shell("echo over tls")), never);
    assert.equal(textOf(result), "over tls\n");
  });

  test("drops a connection that goes silent, as that of a server that is cut off", async (t) => {
    const silent = testFolder();
    const network = { host: "127.0.0.1", port: 0, identity: await of("hands"), silent_ms: 50 };
    const impatient = await startHands({
      socket_path: join(silent.path, "hands.sock"),
      data_dir: silent.path,
      driver: bubblewrap({ data_dir: silent.path }),
      network,
    });
    t.after(async () => {
      await impatient.close();
      silent.remove();
    });
    const { cert, key } = await of("serve");
    const socket = connectTls({ port: impatient.port ?? 0, host: "127.0.0.1", ca: ca.cert, cert, key });
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    assert.ok(socket.authorized);
  });

  test("says who it is, the same over every way to it", async (t) => {
    const identity = await of("serve");
    const local = connectHost({ socket_path: join(folder.path, "hands.sock") });
    const remote = connectHost({ host: "127.0.0.1", port: host.port ?? 0, identity });
    t.after(() => {
      local.close();
      remote.close();
    });
    while (!local.isUp() || !remote.isUp()) await anyChange([local, remote], 20);
    assert.equal(local.facts()?.host_id, host.host_id);
    assert.equal(remote.facts()?.instance_id, local.facts()?.instance_id);
  });

  for (const [who, identity] of [
    ["with the certificate of a host", () => of("hands")],
    ["with a certificate of the authority for something else", ofNoRole],
    ["with a certificate of another authority", () => of("serve", { ca: otherCa })],
    ["with an expired certificate", () => of("serve", { validity: expired })],
    ["with a certificate that is not valid yet", () => of("serve", { validity: future })],
  ] as const) {
    test(`lets nobody in ${who}`, async () => {
      const before = refused.length;
      assert.notEqual(await tryAs(await identity()), null);
      while (refused.length === before) await new Promise((resolve) => setTimeout(resolve, 5));
    });
  }

  for (const [who, options] of [
    ["without a certificate", {}],
    ["with less than TLS 1.3", { maxVersion: "TLSv1.2" as const, minVersion: "TLSv1.2" as const }],
  ] as const) {
    test(`lets nobody in ${who}`, async () => {
      const { cert, key } = await of("serve");
      const shown = "maxVersion" in options ? { cert, key } : {};
      const socket = connectTls({
        port: host.port ?? 0,
        host: "127.0.0.1",
        ca: ca.cert,
        ...shown,
        ...options,
      });
      const answers: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => answers.push(chunk));
      socket.on("error", () => {});
      socket.write('{"type":"hello","n":1}\n');
      await new Promise((resolve) => socket.once("close", resolve));
      assert.equal(Buffer.concat(answers).length, 0);
    });
  }

  test("lets a server in, however many others connect and say nothing", async (t) => {
    const port = host.port ?? 0;
    const silent = Array.from(
      { length: limits.hands_connections_max + limits.hands_strangers_max + 50 },
      () => connectPlainly({ port, host: "127.0.0.1" }).on("error", () => {}),
    );
    t.after(() => {
      for (const socket of silent) socket.destroy();
    });
    await Promise.all(
      silent.slice(0, 50).map((socket) => new Promise((closed) => socket.once("close", closed))),
    );
    assert.equal(await tryAs(await of("serve")), null);
  });

  test("does not speak with a client that speaks no TLS", async () => {
    const socket = connectPlainly({ port: host.port ?? 0, host: "127.0.0.1" });
    const answers: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => answers.push(chunk));
    socket.on("error", () => {});
    socket.write('{"type":"hello","n":1}\n');
    await new Promise((resolve) => socket.once("close", resolve));
    assert.doesNotMatch(Buffer.concat(answers).toString("latin1"), /host_/);
  });
});

describe("a server", () => {
  /** Says hello as a host would, to everybody who gets that far. */
  async function tryHost(identity: Identity): Promise<string | null> {
    const told: string[] = [];
    const impostor = createTlsServer({ ...identity, requestCert: true }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => told.push(chunk.toString()));
    });
    impostor.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
    const { port } = impostor.address() as { port: number };
    const troubles: Error[] = [];
    const host = connectHost({
      host: "127.0.0.1",
      port,
      identity: await of("serve"),
      onTrouble: (error) => troubles.push(error),
    });
    try {
      const problem = await problemOf(host, troubles);
      assert.deepEqual(told, []);
      return problem;
    } finally {
      host.close();
      impostor.close();
    }
  }

  test("takes nobody for a host who shows the certificate of a server", async () => {
    assert.match((await tryHost(await of("serve", { addresses: ["127.0.0.1"] }))) ?? "", /purpose/);
  });
  test("takes nobody for a host whose certificate is for something else", async () => {
    assert.match((await tryHost(await ofNoRole())) ?? "", /one of "drover console", not of "drover hands"/);
  });
  test("takes nobody for a host whose certificate names another address", async () => {
    assert.match((await tryHost(await of("hands", { addresses: ["10.9.9.9"] }))) ?? "", /altnames/);
  });
  test("takes nobody for a host whom another authority has signed", async () => {
    assert.match((await tryHost(await of("hands", { ca: otherCa }))) ?? "", /certificate/);
  });
  test("takes nobody for a host whose certificate has expired", async () => {
    assert.match((await tryHost(await of("hands", { validity: expired }))) ?? "", /expired/);
  });
});

describe("the files of one side", () => {
  let folder: TestFolder;
  before(() => {
    folder = testFolder();
  });
  after(() => folder.remove());

  function filesOf(name: string, { ca, cert, key }: Identity, mode = 0o600) {
    const path = (ending: string) => join(folder.path, `${name}.${ending}`);
    for (const [ending, text] of Object.entries({ ca, cert, key })) writeFileSync(path(ending), text);
    chmodSync(path("key"), mode);
    return { ca: path("ca"), cert: path("cert"), key: path("key") };
  }

  test("are taken when all is right", async () => {
    const identity = await of("serve");
    assert.deepEqual(readIdentity(filesOf("right", identity), "serve"), identity);
  });

  test("are refused with what to do, and without a word of a key", async () => {
    const serve = await of("serve");
    const { key: otherKey } = await of("serve");
    const cases: [RegExp, () => unknown][] = [
      [
        /nowhere\.ca cannot be read/,
        () => ({ ...filesOf("nowhere", serve), ca: join(folder.path, "x/nowhere.ca") }),
      ],
      [/can be read by every user: chmod 600/, () => filesOf("open", serve, 0o644)],
      [/is not the key of/, () => filesOf("mixed", { ...serve, key: otherKey })],
      [/was not signed by/, () => filesOf("foreign", { ...serve, ca: otherCa.cert })],
      [/garbled\.key is not what it should be/, () => filesOf("garbled", { ...serve, key: "secret words" })],
    ];
    for (const [expected, files] of cases) {
      assert.throws(
        () => readIdentity(files() as ReturnType<typeof filesOf>, "serve"),
        (error: Error) => expected.test(error.message) && !/BEGIN|secret/.test(error.message),
        String(expected),
      );
    }
    const hands = await of("hands");
    assert.throws(
      () => readIdentity(filesOf("role", hands), "serve"),
      /one of "drover hands", not of "drover serve"/,
    );
    const old = await of("serve", { validity: expired });
    assert.throws(() => readIdentity(filesOf("old", old), "serve"), /has expired at .*: make a new one/);
  });

  test("say the role in the unit, whatever the usage allows", () => {
    assert.equal(wrongRole({ subject: { OU: "drover serve" } as never }, "serve"), null);
    for (const subject of [{ OU: "drover hands" }, { OU: ["drover serve", "drover hands"] }, {}, undefined]) {
      assert.notEqual(wrongRole({ subject: subject as never }, "serve"), null);
    }
  });
});
