import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { CredentialUse } from "../src/protocol/credential-uses.ts";
import { certificateOf, listen } from "./harness/egress.ts";
import { noNamespaces, type RemoteHosts, startRemoteHosts } from "./harness/network.ts";
import { prepare, resultsIn, turn } from "./harness/session.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-far-"));
const tls = await certificateOf(folder, "localhost");
const secret = "a-secret-of-which-no-sandbox-host-knows";
/** What the host was told to be the key. */
const heard: string[] = [];
const upstream = createServer(tls, (request, response) => {
  heard.push(String(request.headers["x-key"]));
  response.end(`it is ${request.headers["x-key"]}`);
});

describe("a sandbox on another machine", { skip: noNamespaces() }, () => {
  let remote: RemoteHosts;
  let port = 0;
  before(async () => {
    port = await listen(upstream, "127.0.0.1");
    // What is called so in the namespace of the host is itself, where nobody listens.
    const egress = { DROVER_ALLOW_PRIVATE_HOSTS: "localhost", NODE_EXTRA_CA_CERTS: tls.ca_file };
    remote = await startRemoteHosts({ count: 1, gone_seconds: 60, egress });
  });
  after(async () => {
    await remote.close();
    upstream.close();
    upstream.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  test("uses credentials by the egress beside serve, and its host never has one", async () => {
    const { client } = remote;
    const { id: vault_id } = await client.beta.vaults.create({ display_name: "v" });
    const { id: credential } = await client.beta.vaults.credentials.create(vault_id, {
      auth: {
        type: "environment_variable",
        secret_name: "API_KEY",
        secret_value: secret,
        networking: { type: "limited", allowed_hosts: ["localhost"] },
      },
    });
    const { agent_id: agent, environment_id } = await prepare(client);
    const { id } = await client.beta.sessions.create({ agent, environment_id, vault_ids: [vault_id] });
    const curl = `env -u NO_PROXY -u no_proxy curl -sS -H "x-key: $API_KEY" https://localhost:${port}/`;
    const run = async (command: string) => {
      const [said = ""] = resultsIn(await turn(client, id, `bash ${command}`));
      return said.trim();
    };
    const shown = await run("printenv API_KEY");
    assert.equal(shown.length, secret.length);
    assert.equal(await run(curl), `it is ${shown}`);
    assert.deepEqual(heard, [secret]);

    // The one beside serve dies, and the sandbox waits for the next one.
    await remote.nearEgress.kill();
    const later = run(curl);
    await remote.nearEgress.start();
    assert.equal(await later, `it is ${shown}`);
    assert.deepEqual(heard, [secret, secret]);

    const [host = assert.fail()] = remote.hosts;
    assert.equal(host.pids.length, 2);
    for (const pid of host.pids) {
      assert.ok(!wordsIn(pid, [secret]).has(secret), `process ${pid} has the secret`);
    }
    assert.ok(wordsIn(host.pids[0] ?? 0, [shown]).has(shown), "it is looked for where things are");

    // What the first one has not told when it is killed, within a second, is lost.
    for (let seen = 0; seen < 1; await pause(50)) {
      const { data } = (await client.get(`/v1/sessions/${id}/audit`)) as { data: CredentialUse[] };
      seen = data.reduce((sum, { count }) => sum + count, 0);
      for (const use of data) {
        const { credential_id, host, outcome } = use;
        assert.deepEqual([credential_id, host, outcome], [credential, "localhost", "sent 200"]);
      }
    }
  });
});

/** Which of these words are in the memory of that process. */
function wordsIn(pid: number, words: readonly string[]): Set<string> {
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "", to = "", mode = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
      if (!mode.startsWith("rw")) continue;
      const buffer = Buffer.alloc(Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)));
      try {
        readSync(memory, buffer, { position: BigInt(`0x${from}`) });
      } catch {
        continue;
      }
      for (const word of words) if (buffer.includes(word)) found.add(word);
    }
  } finally {
    closeSync(memory);
  }
  return found;
}
