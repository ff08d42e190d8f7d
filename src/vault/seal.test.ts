import assert from "node:assert/strict";
import { test } from "node:test";
import { freshMasterKey, masterKeyOf } from "./master-key.ts";
import { createSeal, NotGenuine, type SealedPlace, UnknownMasterKey } from "./seal.ts";

const place: SealedPlace = {
  table: "session_resource",
  column: "token",
  workspace_id: "wrkspc_1",
  id: "sesrsc_1",
};
const sealOf = (...keys: string[]) => createSeal(masterKeyOf(keys.join("\n")));

test("what was sealed opens again, and shows nothing of itself", async () => {
  const seal = sealOf(freshMasterKey());
  for (const secret of ["", "ghp_0123456789", "ü\0\n".repeat(5_000)]) {
    const sealed = await seal.seal(secret, place);
    assert.match(sealed, /^v1:[0-9a-f]{16}:/);
    assert.notEqual(sealed, await seal.seal(secret, place));
    assert.equal(await seal.open(sealed, place), secret);
    if (secret !== "") assert.ok(!Buffer.from(sealed).includes(secret.slice(0, 10)));
  }
});

test("it opens nowhere but where it was sealed", async () => {
  const seal = sealOf(freshMasterKey());
  const sealed = await seal.seal("ghp_0123456789", place);
  for (const field of ["table", "column", "workspace_id", "id"] as const)
    await assert.rejects(seal.open(sealed, { ...place, [field]: "other" }), NotGenuine);
});

test("a text that was changed anywhere, or cut off, does not open", async () => {
  const seal = sealOf(freshMasterKey());
  const sealed = await seal.seal("ghp_0123456789", place);
  const broken = (error: unknown) => error instanceof NotGenuine || error instanceof UnknownMasterKey;
  for (let i = 0; i < sealed.length; i += 1) {
    const char = sealed[i] === "A" ? "Q" : "A";
    const changed = sealed.slice(0, i) + char + sealed.slice(i + 1);
    await assert.rejects(seal.open(changed, place), broken, `changed at ${i}`);
    await assert.rejects(seal.open(sealed.slice(0, i), place), broken, `cut off at ${i}`);
  }
});

test("a key that is not there is named, and opens again what it has sealed once it is", async () => {
  const [old, fresh] = [freshMasterKey(), freshMasterKey()];
  const sealed = await sealOf(old).seal("ghp_0123456789", place);
  await assert.rejects(sealOf(fresh).open(sealed, place), (error) => {
    assert.ok(error instanceof UnknownMasterKey);
    assert.ok(error.message.includes(masterKeyOf(old).version));
    assert.ok(!error.message.includes(old));
    return true;
  });
  assert.equal(await sealOf(fresh, old).open(sealed, place), "ghp_0123456789");
});

test("rewrapped, a secret opens by the new key alone", async () => {
  const [old, fresh] = [freshMasterKey(), freshMasterKey()];
  const both = sealOf(fresh, old);
  const sealed = await both.rewrap(await sealOf(old).seal("ghp_0123456789", place), place);
  assert.equal(await sealOf(fresh).open(sealed, place), "ghp_0123456789");
  await assert.rejects(sealOf(old).open(sealed, place), UnknownMasterKey);
});

test("what is no key is refused, and not shown", () => {
  for (const text of ["", "# nothing\n", "short", freshMasterKey().slice(1), `${freshMasterKey()}\nsecret`])
    assert.throws(
      () => masterKeyOf(text),
      (error: Error) => !error.message.includes("secret") && !error.message.includes("short"),
    );
  assert.doesNotThrow(() => masterKeyOf(`# made today\n\n ${freshMasterKey()} \n`));
});
