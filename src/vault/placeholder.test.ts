import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../limits.ts";
import { placeholderFor } from "./placeholder.ts";

test("it is as long as the secret, and has the letters by which its vendor's are known", () => {
  for (const [secret, shape] of [
    [`sk-ant-api03-${"x".repeat(80)}-AA`, /^sk-ant-api03-[A-Za-z0-9]{83}$/],
    [`ghp_${"a1B2".repeat(9)}`, /^ghp_[A-Za-z0-9]{36}$/],
    ["xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx", /^xoxb-[A-Za-z0-9]{51}$/],
    ["0123456789abcdef0123456789abcdef", /^[0-9a-f]{32}$/],
    [
      "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
      /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    ],
    ["hunter2", /^[A-Za-z0-9]{24}$/],
    ["", /^[A-Za-z0-9]{24}$/],
    ["SG.short", /^SG\.[A-Za-z0-9]{24}$/],
    ["-----BEGIN KEY-----\n".repeat(1_000), new RegExp(`^[A-Za-z0-9]{${limits.placeholder_chars_max}}$`)],
  ] as const)
    assert.match(placeholderFor(secret), shape, secret.slice(0, 20));
});

test("it is another one each time, and holds nothing of the secret but its first letters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (secret) => {
      const [one, other] = [placeholderFor(secret), placeholderFor(secret)];
      assert.notEqual(one, other);
      assert.match(one, /^[A-Za-z0-9._-]{24,}$/);
      assert.ok(!secret.includes(one));
    }),
  );
});
