import assert from "node:assert/strict";
import { after, test } from "node:test";
import { limits } from "../src/limits.ts";
import { isIdleFrame, openRawStream } from "./harness/raw-stream.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, message, newSession, prepare, send } from "./harness/session.ts";

const api = await startTestServer();
const facts = await prepare(api.client);
after(() => api.close());

test("a reader that falls behind and catches up is not cut off, however much passes in sum", async () => {
  const { id } = await newSession(api.client, facts);
  const lagging = await openRawStream(api.url, id);
  const idles = (n: number) => lagging.until(() => lagging.frames.filter(isIdleFrame).length === n);
  const text = `say ${"x".repeat(4 << 20)}`;
  const [rounds, turns] = [3, 3];
  for (let round = 1; round <= rounds; round += 1) {
    lagging.response.pause();
    const following = await follow(api.client, id);
    for (let i = 1; i <= turns; i += 1) {
      await send(api.client, id, message(text));
      await following.until(isIdle, i);
    }
    following.close();
    lagging.response.resume();
    await idles(round * turns);
  }
  const sum = lagging.bytes().length;
  assert.ok(sum > limits.stream_backlog_bytes_max, `${sum} bytes`);
  lagging.close();
});
