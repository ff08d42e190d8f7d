import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { egressAsRoot, examineSockets, openFolder, openSocket } from "./examine-sockets.ts";
import { listenersAt } from "./listener.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-sockets-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a folder that others may look into or write to is open, and one that they pass through is not", () => {
  const of = (mode: number) => openFolder({ path: "/data", mode, uid: 0 }).map(({ text }) => text);
  for (const mode of [0o700, 0o711]) assert.deepEqual(of(mode), []);
  assert.deepEqual(of(0o755), ["others may look into /data: chmod 711 it"]);
  assert.deepEqual(of(0o770), ["others may write to /data: chmod 711 it"]);
});

test("a socket is for its part alone, and for root", () => {
  const of = (mode: number, uid: number, users: number[]) =>
    openSocket({ path: "/run/vault.sock", mode, uid }, "egress", users)
      .map(({ text }) => text)
      .join();
  for (const [uid, users] of [
    [0, [900]],
    [900, [900]],
    [900, []],
  ] as const)
    assert.equal(of(0o600, uid, [...users]), "");
  assert.match(of(0o660, 900, [900]), /^others than egress may connect to \/run\/vault\.sock: chmod 600 it$/);
  assert.match(of(0o600, 901, [900]), /egress, which runs as user 900, and user 901 may connect.*--vault-cl/);
});

test("egress is better no root", () => {
  assert.deepEqual(egressAsRoot([900]), []);
  assert.match(egressAsRoot([0])[0]?.text ?? "", /--run-as/);
});

test("who listens at a socket is found, and what is in order is not spoken of", async () => {
  chmodSync(folder, 0o700);
  const path = join(folder, "egress.sock");
  const of = { data_dir: folder, runtime_dir: folder };
  const words = () => examineSockets(of).map(({ text }) => text);
  assert.deepEqual([listenersAt(path), words()], [[], []]);
  const server = createServer();
  await once(server.listen(path), "listening");
  chmodSync(path, 0o600);
  const own = process.getuid?.() ?? -1;
  assert.deepEqual(listenersAt(path), [own]);
  assert.deepEqual(words().length, own === 0 ? 1 : 0);
  chmodSync(path, 0o666);
  chmodSync(folder, 0o755);
  assert.match(words().join("\n"), /look into[\s\S]*others than hands may connect to .*egress\.sock/);
  server.close();
});
