import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseUnavailable } from "../db/errors.ts";
import { limits } from "../limits.ts";
import { type CredentialSource, drivenCredentials, redacted } from "./credentials.ts";

const [first, second] = ["the first secret value", "the second secret value"];
const given = { pass: "p", certificate: "c", placeholders: { A: "b" } };

function driven(source: Partial<CredentialSource>) {
  const heard: string[] = [];
  const credentials = drivenCredentials(
    { forSandbox: async () => given, hidden: async () => [], ...source },
    "w",
    "sesn_1",
    (message) => heard.push(message),
  );
  return { ...credentials, heard };
}

test("a session's are asked for once, and again where the database did not answer", async () => {
  let asked = 0;
  const { forSandbox } = driven({
    async forSandbox() {
      asked += 1;
      if (asked === 1) throw new DatabaseUnavailable("away", { mayHaveRun: false });
      return given;
    },
  });
  await assert.rejects(forSandbox(), DatabaseUnavailable);
  assert.deepEqual(await Promise.all([forSandbox(), forSandbox()]), [given, given]);
  assert.equal(await forSandbox(), given);
  assert.equal(asked, 2);
});

test("where they cannot be opened, nothing is shown, and it is logged", async () => {
  const fail = () => Promise.reject(new Error("a secret was sealed under the master key 1"));
  const { forSandbox, redactor, heard } = driven({ forSandbox: fail, hidden: fail });
  await assert.rejects(forSandbox(), /cannot be opened by this server/);
  await assert.rejects(redactor(), /cannot be opened by this server/);
  assert.equal(heard.length, 2);
});

test("what was a secret of the session is one for as long as it is driven", async (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  let secret = first;
  const { redactor } = driven({ hidden: async () => [{ secret, placeholder: "x".repeat(secret.length) }] });
  const text = `${first} and ${second}`;
  assert.equal((await redactor()).text(text), `${"x".repeat(first.length)} and ${second}`);
  secret = second;
  assert.equal((await redactor()).text(text), `${"x".repeat(first.length)} and ${second}`);
  now += limits.credentials_believed_ms;
  assert.equal((await redactor()).text(text), `${"x".repeat(first.length)} and ${"x".repeat(second.length)}`);
});

test("as long as nothing is new, nothing is made anew; and what was one long ago is forgotten for what is", async (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  let secrets = [first];
  const { redactor } = driven({ hidden: async () => secrets.map((secret) => ({ secret })) });
  const renewed = () => {
    now += limits.credentials_believed_ms;
    return redactor();
  };
  const begun = await redactor();
  assert.equal(await renewed(), begun);
  secrets = [first, second];
  assert.equal((await renewed()).text(second), "*".repeat(second.length));
  for (const letter of ["a", "b", "c"]) {
    secrets = [second, letter.repeat(limits.session_secrets_bytes_max - second.length)];
    await renewed();
  }
  assert.equal((await redactor()).text(`${first}, ${second}`), `${first}, ${"*".repeat(second.length)}`);
});

test("texts of a result are redacted, and what is said of the network; a picture stays as it is", async () => {
  const { redactor } = driven({ hidden: async () => [{ secret: first }] });
  const picture = {
    type: "image" as const,
    source: { type: "base64" as const, media_type: "image/png" as const, data: btoa(first) },
  };
  const refused = { host: `${first}.test`, port: 443, reason: "closed", count: 1 };
  const network = { connections: 0, bytes_sent: 0, bytes_received: 0, refused: [refused] };
  const result = { content: [{ type: "text" as const, text: `said ${first}` }, picture], is_error: false };
  const shown = JSON.stringify(redacted({ ...result, network } as never, await redactor()));
  assert.ok(!shown.includes(first));
  assert.ok(shown.includes(picture.source.data));
});
