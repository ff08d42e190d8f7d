import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkUse } from "../../src/protocol/network-use.ts";
import { type PublicHosts, publicHosts } from "./public-hosts.ts";
import { startTestServer } from "./server.ts";
import { isOf, newSession, prepare, resultsIn, turn } from "./session.ts";

export interface LimitedSession {
  packages: PublicHosts["packages"];
  /** What a command says in a new turn, and where it was refused to go. */
  run(command: string): Promise<{ said: string; refused: string[] }>;
  /** A command says just that, and asked for nothing that it may not have. */
  says(command: string, said: string): Promise<void>;
  close(): Promise<void>;
}

/** Before a command: it heeds no proxy, and has but the loopback of its sandbox. */
export const heedless = "no_proxy='*' NO_PROXY='*'";

/** Programs trust the authority of the public hosts by these, each by its own. */
const trust = [
  ...["CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"],
  ...["PIP_CERT", "CARGO_HTTP_CAINFO", "NPM_CONFIG_CAFILE"],
];

/** A session in an environment that reaches those of the public hosts, and the registries of packages. */
export async function limitedSession(...allowed_hosts: string[]): Promise<LimitedSession> {
  const hosts = await publicHosts(...allowed_hosts);
  const api = await startTestServer();
  const egress = await hosts.egress(join(api.hands.folder, "egress.sock"));
  const { agent_id } = await prepare(api.client);
  const { id: environment_id } = await api.client.beta.environments.create({
    name: "limited",
    config: {
      type: "cloud",
      networking: { type: "limited", allowed_hosts, allow_package_managers: true },
    },
  });
  const { id } = await newSession(api.client, { agent_id, environment_id });

  async function run(command: string) {
    const events = await turn(api.client, id, `bash ${command}`);
    const refused = events
      .filter(isOf("agent.tool_result"))
      .flatMap((event) => (event as { network?: NetworkUse }).network?.refused ?? [])
      .map(({ host, port }) => `${host}:${port}`);
    return { said: resultsIn(events).join("\n"), refused };
  }

  await run(`export ${trust.map((name) => `${name}=/workspace/ca.crt`).join(" ")}`);
  writeFileSync(api.workspace(id).path("ca.crt"), hosts.ca, { mode: 0o644 });
  return {
    packages: hosts.packages,
    run,
    async says(command, said) {
      const result = await run(command);
      assert.equal(result.said.trimEnd(), said);
      assert.deepEqual(result.refused, []);
    },
    async close() {
      await api.close();
      await egress.close();
      hosts.close();
    },
  };
}
