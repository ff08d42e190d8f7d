import assert from "node:assert/strict";
import { test } from "node:test";
import { endToEnd } from "./headers.ts";

test("what is between neighbours stays there, and so does what Connection names", () => {
  const given = [
    ...[
      "Host",
      "evil.example",
      "Accept",
      "*/*",
      "Connection",
      "close, X-Mine",
      "connection",
      "keep-alive,Authorization",
    ],
    ...[
      "X-Mine",
      "1",
      "Authorization",
      "secret",
      "Proxy-Authorization",
      "Basic x",
      "Proxy-Connection",
      "keep-alive",
    ],
    ...[
      "TE",
      "trailers",
      "Trailer",
      "x",
      "Transfer-Encoding",
      "chunked",
      "Upgrade",
      "h2c",
      "Content-Length",
      "7",
    ],
    ...["Set-Cookie", "a", "set-cookie", "b", "Cookie", "c"],
  ];
  assert.deepEqual(endToEnd(given), ["Accept", "*/*", "Set-Cookie", "a", "set-cookie", "b", "Cookie", "c"]);
});
