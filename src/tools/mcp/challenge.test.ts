import assert from "node:assert/strict";
import { test } from "node:test";
import { scopeWanted } from "./challenge.ts";

const wanted = (challenge: string | null) =>
  scopeWanted(new Headers(challenge === null ? {} : { "www-authenticate": challenge }));

test("the scopes that a server asks for are found in what it refuses with", () => {
  assert.equal(
    wanted('Bearer error="insufficient_scope", scope="files:read files:write"'),
    "files:read files:write",
  );
  assert.equal(wanted('Bearer scope="a", resource_metadata="https://x.example/?scope=b"'), "a");
  assert.equal(wanted("Bearer realm=x,scope=a"), "a");
  assert.equal(wanted('bearer SCOPE = "a"'), "a");
});

test("what names none, or none that anybody could ask for, is passed over", () => {
  for (const challenge of [
    null,
    "Bearer",
    'Bearer scope=""',
    'Bearer noscope="a"',
    'Bearer scope="a\\b"',
    'Bearer scope="a$(b)"',
    'Bearer scope="a`b`"',
    'Bearer scope="!a"',
    `Bearer scope="${"a".repeat(2_049)}"`,
  ])
    assert.equal(wanted(challenge), null, String(challenge));
});
