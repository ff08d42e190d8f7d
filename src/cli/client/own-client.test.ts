import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ClientOptions, ownClient } from "./own-client.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-keys-"));
after(() => rmSync(folder, { recursive: true }));
const of = (options: Partial<ClientOptions>) =>
  ownClient({ algorithm: "ES256", ...options }, { MINE: "hush", EMPTY: "" });

test("a client is new, known, known by its document, or authorized itself", () => {
  assert.deepEqual(of({}), { type: "new" });
  const known = { type: "known", client_id: "me", client_secret: null };
  assert.deepEqual(of({ clientId: "me" }), known);
  const url = "https://client.example/drover.json";
  assert.deepEqual(of({ clientId: url }), { type: "document", url });
  const secret = { clientId: "me", clientSecretEnv: "MINE" };
  assert.deepEqual(of(secret), { ...known, client_secret: "hush" });
  assert.deepEqual(of({ ...secret, clientCredentials: true }), {
    type: "client",
    client_id: "me",
    proof: { type: "secret", secret: "hush" },
  });
  const identity = { identityProvider: "https://id.example", identityClientId: "us" };
  assert.deepEqual(of({ ...secret, ...identity, idTokenEnv: "MINE" }), {
    type: "client",
    client_id: "me",
    proof: {
      type: "vouched",
      secret: "hush",
      id_token: "hush",
      provider: "https://id.example",
      provider_client_id: "us",
    },
  });
});

test("a key is taken in any of its forms, if it fits", () => {
  const write = (key: KeyObject, options: { type: "sec1" | "pkcs8"; format: "pem" }) => {
    const file = join(folder, `${options.type}.pem`);
    writeFileSync(file, key.export(options));
    return file;
  };
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const files = (["sec1", "pkcs8"] as const).map((type) => write(privateKey, { type, format: "pem" }));
  for (const file of files) {
    const own = of({ clientId: "me", privateKey: file });
    assert.ok(own.type === "client" && own.proof.type === "private_key");
    assert.match(own.proof.pem, /^-----BEGIN PRIVATE KEY-----\n/);
    assert.throws(() => of({ clientId: "me", privateKey: file, algorithm: "RS256" }), /no key for RS256/);
  }
});

test("what does not go together is said", () => {
  const file = join(folder, "none.pem");
  writeFileSync(file, "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n");
  const wrong: [Partial<ClientOptions>, RegExp][] = [
    [{ clientCredentials: true }, /needs --client-id/],
    [{ clientCredentials: true, clientId: "me" }, /needs --client-secret-env or --private-key/],
    [{ idTokenEnv: "MINE", clientId: "me" }, /needs --client-secret-env/],
    [{ idTokenEnv: "MINE", clientId: "me", clientSecretEnv: "MINE" }, /needs --identity-provider and/],
    [{ clientSecretEnv: "MINE" }, /needs the client's id/],
    [{ clientId: "me", clientSecretEnv: "EMPTY" }, /no environment variable EMPTY/],
    [{ clientId: "me", privateKey: join(folder, "nowhere") }, /ENOENT/],
    [{ clientId: "me", privateKey: file }, /has no private key in PEM/],
  ];
  for (const [options, why] of wrong)
    assert.throws(
      () => of(options),
      (error: Error) => why.test(error.message) && !error.message.includes("hush"),
    );
});
