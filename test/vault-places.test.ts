import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Egress, startEgress } from "../src/egress/egress.ts";
import { certificateOf, listen, upstreamAddress } from "./harness/egress.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import { prepare, resultsIn, turn } from "./harness/session.ts";
import { waiting } from "./harness/waiting.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-places-"));
const tls = await certificateOf(folder, "api.test");
const secret = "a-secret-that-two-servers-know";
/** What the host was told to be the key. */
const heard: string[] = [];
const { ring, until } = waiting();
const upstream = createServer(tls, (request, response) => {
  heard.push(String(request.headers["x-key"]));
  response.end("ok\n");
  ring();
});
let port = 0;
let processes: Processes;
let egress: Egress;

before(async () => {
  port = await listen(upstream);
  processes = await startProcesses();
  await processes.hands();
  egress = await startEgress({
    socket_path: join(processes.runtimeFolder, "egress.sock"),
    vault_socket: join(processes.runtimeFolder, "vault.sock"),
    // So each connection is asked about.
    believed_ms: 0,
    authorities: [tls.ca],
    allow_private_hosts: [upstreamAddress],
    package_hosts: [],
    resolve: async () => [upstreamAddress],
  });
});
after(async () => {
  await processes.close();
  await egress.close();
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

const serve = async (...args: string[]) => processes.serve(await freePort(), ...args);
const sockets = () =>
  readdirSync(processes.runtimeFolder)
    .filter((name) => /^vault\.sock(\.\d+)?$/.test(name))
    .toSorted();

test("of the servers on a machine those are asked that live, while programs go on", async () => {
  let servers: Serve[] = await Promise.all([serve(), serve()]);
  assert.deepEqual(sockets(), ["vault.sock", "vault.sock.2"]);
  const [{ client } = assert.fail()] = servers;
  const { id: vault } = await client.beta.vaults.create({ display_name: "v" });
  await client.beta.vaults.credentials.create(vault, {
    auth: {
      type: "environment_variable",
      secret_name: "API_KEY",
      secret_value: secret,
      networking: { type: "limited", allowed_hosts: ["api.test"] },
    },
  });
  const { agent_id: agent, environment_id } = await prepare(client);
  const { id } = await client.beta.sessions.create({ agent, environment_id, vault_ids: [vault] });
  const ask = `curl -sS -m 60 -H "x-key: $API_KEY" https://api.test:${port}/ || echo failed`;
  await turn(client, id, `bash (while [ ! -e stop ]; do ${ask}; done) > said 2>&1 &`);
  const further = async () => {
    const now = heard.length;
    await until(() => (heard.length > now + 5 ? true : undefined));
  };
  await further();
  // Each of them, whichever it is that is asked.
  for (let n = 0; n < 2; n += 1) {
    await servers[n]?.kill();
    await further();
    servers = servers.with(n, await serve());
    assert.deepEqual(sockets(), ["vault.sock", "vault.sock.2"], "it takes what is left");
  }
  // One that stands still holds nobody up.
  for (const each of servers) {
    each.freeze();
    await further();
    each.thaw();
  }
  // All at once, before others begin: programs wait.
  await Promise.all(servers.map((each) => each.kill()));
  const users = process.getuid?.() === 0 ? ["--vault-client", "65533:65533"] : [];
  const last = await serve(...users);
  await further();
  const { mode, uid } = statSync(join(processes.runtimeFolder, "vault.sock"));
  assert.equal(mode & 0o777, 0o600);
  if (users.length > 0) assert.equal(uid, 65_533);
  const said = resultsIn(await turn(last.client, id, "bash touch stop; wait; sort -u said"));
  assert.deepEqual(
    said.map((each) => each.trim()),
    ["ok"],
  );
  assert.deepEqual([...new Set(heard)], [secret]);
  // Whoever was told of a use and died, or stood still: it is in the audit once.
  const audited = async () => {
    const uses = await last.client.get<{ data: { count: number }[] }>(`/v1/sessions/${id}/audit`);
    return uses.data.reduce((sum, { count }) => sum + count, 0);
  };
  while ((await audited()) < heard.length) await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(await audited(), heard.length);
});
