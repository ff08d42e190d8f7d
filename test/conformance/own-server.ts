import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../../src/db/testing.ts";
import { startEgress } from "../../src/egress/egress.ts";
import { startGitServer } from "../fakes/git-server.ts";
import { certificateOf } from "../harness/egress.ts";
import { testKey } from "../harness/headers.ts";
import { startTestServer } from "../harness/server.ts";
import type { Target } from "./context.ts";

/** A Drover of the suite's own, as the tests start it. */
export interface OwnServer {
  target: Target;
  close(): Promise<void>;
}

/** `anthropic_url`: where its `claude-...` models are. */
export async function startOwnServer(options: { anthropic_url?: string } = {}): Promise<OwnServer> {
  const cluster = process.env.DROVER_TEST_POSTGRES ? null : await startCluster();
  if (cluster) process.env.DROVER_TEST_POSTGRES = cluster.url;
  const git = await startGitServer();
  git.create("octocat/Hello-World", { README: "Hello World!" });
  const folder = mkdtempSync(join(tmpdir(), "drover-conformance-"));
  const { cert, key, ca } = await certificateOf(folder, "localhost");
  const vault_socket = join(folder, "vault.sock");
  const server = await startTestServer({
    ...options,
    vault_socket,
    // Where the suite has servers of its own, such as those of MCP.
    allow_private_hosts: ["127.0.0.1"],
    repository_hosts: [{ url: git.url, private_network: true }],
  });
  const egress = await startEgress({
    socket_path: join(server.hands.folder, "egress.sock"),
    vault_socket,
    authorities: [ca],
    allow_private_hosts: ["localhost", "127.0.0.1"],
    package_hosts: [],
  });
  return {
    target: {
      url: server.url,
      api_key: testKey,
      model: "simulated",
      wait_ms: 60_000,
      repository: `${git.url}/octocat/Hello-World`,
      tls: { cert, key },
    },
    async close() {
      await server.close();
      await egress.close();
      await git.close();
      await cluster?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
