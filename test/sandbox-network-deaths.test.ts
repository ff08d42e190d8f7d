import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startPart } from "./harness/part.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, newSession, prepare, resultsIn, turn } from "./harness/session.ts";

/** All of the loopback but the first address, which is the sandbox's own. */
const upstream = "127.0.0.3";

describe("an egress process that is killed", () => {
  let api: TestServer;
  let facts: Facts;
  let folder: string;
  let egress: ChildProcess;
  let asked = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url !== "/held") return response.end("answered");
    response.writeHead(200, { "content-length": "1000" });
    response.write("half");
    asked.resolve();
  });
  const url = (path: string) => `http://${upstream}:${(server.address() as AddressInfo).port}${path}`;

  const begin = async () => {
    const { PATH, HOME } = process.env;
    egress = await startPart(["egress", "--socket", join(api.hands.folder, "egress.sock")], {
      ...{ PATH, HOME, DROVER_DATA_DIR: join(folder, "data"), XDG_RUNTIME_DIR: folder },
      DROVER_ALLOW_PRIVATE_HOSTS: upstream,
    });
  };
  const kill = async () => {
    if (egress.exitCode !== null || egress.signalCode !== null) return;
    const exit = once(egress, "exit");
    egress.kill("SIGKILL");
    await exit;
  };

  before(async () => {
    api = await startTestServer();
    folder = mkdtempSync(join(tmpdir(), "drover-egress-"));
    await once(server.listen(0, upstream), "listening");
    facts = await prepare(api.client);
    await begin();
  });
  after(async () => {
    await api.close();
    await kill();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("breaks the connections of the moment, and the sandbox goes on with the next one", async () => {
    const { id } = await newSession(api.client, facts);
    const run = async (command: string) => resultsIn(await turn(api.client, id, `bash ${command}`))[0] ?? "";
    assert.match(await run(`kept=1; sleep 1000 & curl -sS ${url("/")}`), /answered$/);

    asked = Promise.withResolvers();
    const held = run(`curl -sS -o /dev/null ${url("/held")}; echo "exit $?"`);
    await asked.promise;
    await kill();
    assert.match(await held, /exit [1-9]/);

    const waiting = run(`curl -sS --retry 60 --retry-delay 1 ${url("/")}; echo; echo $kept; jobs -r | wc -l`);
    await begin();
    assert.match(await waiting, /answered\n1\n1$/);
  });
});
