import assert from "node:assert/strict";
import { test } from "node:test";
import { urlsOf } from "./hosts.ts";

test("a URL with several servers is one for each of them", () => {
  const cases: [string, string[]][] = [
    ["postgresql://a/x", ["postgresql://a/x"]],
    [
      "postgres://u:p,w@a:1,b:2/x?sslmode=disable",
      ["postgres://u:p,w@a:1/x?sslmode=disable", "postgres://u:p,w@b:2/x?sslmode=disable"],
    ],
    ["postgresql://[::1]:5432,b/x", ["postgresql://[::1]:5432/x", "postgresql://b/x"]],
    ["postgresql://u@/x?host=%2Frun%2Fa,b", ["postgresql://u@/x?host=%2Frun%2Fa,b"]],
    [
      "postgresql://a,b?target_session_attrs=read-write",
      ["postgresql://a?target_session_attrs=read-write", "postgresql://b?target_session_attrs=read-write"],
    ],
  ];
  for (const [url, expected] of cases) assert.deepEqual(urlsOf(url), expected);
});
