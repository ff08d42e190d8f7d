import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../limits.ts";
import { captured } from "./captured.ts";

const secret = "a-secret-of-some-length";
const shown = (text: string, { whole = true, secrets = [secret] } = {}) =>
  captured({ status: 500, headers: new Headers() as never }, { bytes: Buffer.from(text), whole }, secrets);

test("a body is shown without secrets, cut where it is long", () => {
  assert.deepEqual(shown(`it is ${secret}!`), {
    status_code: 500,
    content_type: "",
    body: `it is ${"*".repeat(secret.length)}!`,
    body_truncated: false,
  });
  const long = shown("ü".repeat(limits.captured_body_chars_max + 1));
  assert.equal(long.body, "ü".repeat(limits.captured_body_chars_max));
  assert.equal(long.body_truncated, true);
});

test("of a secret that the cut goes through no part is shown", () => {
  for (let end = 1; end < secret.length; end += 1) {
    assert.equal(shown(`it is ${secret.slice(0, end)}`, { whole: false }).body, "it is ");
    const before = limits.captured_body_chars_max - end;
    const { body } = shown("x".repeat(before) + secret);
    assert.equal(body, "x".repeat(before) + "*".repeat(end));
  }
  // Whole, a beginning of it is only a text.
  assert.equal(shown("it is a-secret").body, "it is a-secret");
});

test("short secrets are taken out too", () => {
  const secrets = ["hunter2", "b/c", "", "12345678901"];
  const { body } = shown("hunter2, b/c, b%2Fc, b\\/c, aHVudGVyMg==, 12345678901 and 1234", { secrets });
  assert.equal(body, "*******, ***, *****, ****, *********g==, *********** and 1234");
});
