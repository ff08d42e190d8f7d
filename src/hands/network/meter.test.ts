import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { limits } from "../../limits.ts";
import { testFolder } from "../testing.ts";
import { openMeter } from "./meter.ts";

const folder = testFolder();
after(() => folder.remove());

let files = 0;
const newFile = () => join(folder.path, "network", `sbx_${files++}.json`);
const unlimited = { bytes_max: null, connections_max: 2 };
const refusal = { host: "a.example", port: 443, reason: "it is not allowed" };

test("what was used is told once, whatever process of the host counted it", () => {
  const path = newFile();
  const before = openMeter({ path, ...unlimited });
  assert.equal(before.tell(), null);
  before.count({ connections: 1 });
  before.count({ bytes_sent: 10, bytes_received: 500 });
  before.refused(refusal);
  before.refused(refusal);
  before.close();
  const meter = openMeter({ path, ...unlimited });
  assert.deepEqual(meter.tell(), {
    connections: 1,
    bytes_sent: 10,
    bytes_received: 500,
    refused: [{ ...refusal, count: 2 }],
    refused_more: 0,
  });
  assert.equal(meter.tell(), null);
  meter.close();
  assert.equal(openMeter({ path, ...unlimited }).tell(), null);
});

test("what is only sent, over a connection of before, is told too", () => {
  const meter = openMeter({ path: newFile(), ...unlimited });
  meter.count({ connections: 1 });
  meter.tell();
  meter.count({ bytes_sent: 10 });
  assert.equal(meter.tell()?.bytes_sent, 10);
  meter.close();
});

test("a sandbox that has used its bytes is refused more, in a later process of the host too", () => {
  const path = newFile();
  const options = { path, bytes_max: 2 << 20, connections_max: 2 };
  const meter = openMeter(options);
  meter.count({ bytes_sent: 1 << 20, bytes_received: (1 << 20) - 1 });
  assert.deepEqual([meter.isUsedUp(), meter.refusal(1)], [false, null]);
  meter.count({ bytes_received: 1 });
  meter.tell();
  meter.close();
  const later = openMeter(options);
  assert.equal(later.isUsedUp(), true);
  assert.match(later.refusal(1) ?? "", /used the 2 MB .*sandboxes\.network\.bytes_max_mb/);
});

test("connections beyond those it may have are refused in words, and far beyond not even that", () => {
  const meter = openMeter({ path: newFile(), ...unlimited });
  assert.equal(meter.refusal(2), null);
  assert.match(meter.refusal(3) ?? "", /as many connections open as it may, 2;.*connections_max/);
  assert.equal(meter.admits(2 + limits.network_refused_open_max - 1), true);
  assert.equal(meter.admits(2 + limits.network_refused_open_max), false);
});

test("of very many refusals the first are told, and how many there were", () => {
  const meter = openMeter({ path: newFile(), ...unlimited });
  for (let port = 1; port <= limits.network_refused_told_max + 5; port += 1)
    meter.refused({ ...refusal, port });
  meter.refused({ ...refusal, port: 1 });
  const told = meter.tell();
  assert.equal(told?.refused.length, limits.network_refused_told_max);
  assert.deepEqual([told?.refused[0]?.count, told?.refused_more], [2, 5]);
});

test("a file that cannot be read counts as nothing", () => {
  const path = newFile();
  const meter = openMeter({ path, ...unlimited });
  meter.count({ connections: 1 });
  meter.close();
  writeFileSync(path, "{");
  assert.equal(openMeter({ path, ...unlimited }).tell(), null);
});
