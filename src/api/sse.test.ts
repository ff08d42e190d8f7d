import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { mock, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import { createPreviews } from "../log/previews.ts";
import { createWatches } from "../log/watch.ts";
import { writeEventStream } from "./sse.ts";

test("a client that has left by the time its stream opens leaves nothing behind", {
  timeout: 20_000,
}, async () => {
  const db = await testDatabase();
  const http = createServer().listen(0, "127.0.0.1");
  const asked = once(http, "request");
  await once(http, "listening");
  try {
    const client = connect((http.address() as AddressInfo).port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    const [, response] = (await asked) as [unknown, ServerResponse];
    const left = once(response, "close");
    client.destroy();
    await left;

    const watches = createWatches(db);
    const watch = watches.watch("sesn_01x");
    const close = mock.fn(watch.close);
    const start = { seq: 0, head: 0, incarnation: "000000000000", ended: false };
    await writeEventStream(
      response,
      {},
      {
        db,
        watch: { ...watch, close },
        previews: createPreviews(async () => {}),
        wanted: { types: null, deltas: [] },
        sessionId: "sesn_01x",
        threadId: null,
        start,
      },
      new AbortController().signal,
    );
    assert.equal(close.mock.callCount(), 1);
  } finally {
    http.close();
    await db.close();
  }
});
