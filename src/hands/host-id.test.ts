import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { livesPast } from "./checkpoints/testing-dying.ts";
import { hostIdOf } from "./host-id.ts";
import { testFolder } from "./testing.ts";

const folder = testFolder();
after(folder.remove);

test("a host's id is made once; killed anywhere meanwhile, the next process makes one or finds it", async () => {
  for (let count = 1; ; count += 1) {
    const path = join(folder.path, String(count));
    const lived = await livesPast(count, async () => hostIdOf(path));
    const id = hostIdOf(path);
    assert.match(id, /^host_[0-9a-f]{24}$/);
    assert.equal(hostIdOf(path), id);
    if (lived) break;
    assert.ok(count < 20);
  }
});
